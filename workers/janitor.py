"""Deletes what is left on the hosts, kernels of runs that are over and what belonged to voices that were removed, and
audio that a killed process has not finished writing.

The former are found in two ways: who could not delete something leaves a note, and now and then every kernel and
dataset whose name begins like this installation's is looked at, for those whose note or record was lost with Redis.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar, cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.errors import KavoxError, StoreUnavailable
from app.shared.identifiers import created_at, is_id
from app.shared.settings import Settings
from app.shared.voice import PREFIX as VOICE_PREFIX
from app.shared.voice import is_voice_id, recording_name
from workers.datasets import DatasetHost
from workers.kernel import KernelHost
from workers.run import LONGEST_SESSION_SECONDS
from workers.run_store import RunStore
from workers.voice_records import RemovedVoice, VoiceRecords

log = structlog.get_logger()

_ORPHANS_PERIOD_SECONDS = 600
_UNFINISHED_PERIOD_SECONDS = 600
# What a run may take beyond its deadlines, saving outputs and clocks that differ included.
_GRACE_SECONDS = 3600
_MOST_FAILURES = 3
_T = TypeVar("_T")


class Janitor:
    """Raises redis' own errors."""

    def __init__(
        self,
        *,
        redis: Redis,
        runs: RunStore,
        audio: AudioStore,
        voices: VoiceRecords,
        hosts: Mapping[str, KernelHost],
        datasets: Mapping[str, DatasetHost],
        settings: Settings,
    ) -> None:
        self._redis = redis
        self._runs = runs
        self._audio = audio
        self._voices = voices
        self._hosts = hosts
        self._datasets = datasets
        self._settings = settings
        self._look_for_unfinished_at = 0.0

    def steps(self) -> Mapping[str, Callable[[], None]]:
        """What deletes whatever is due, each of use without the others."""
        return {
            "leftovers": self._delete_leftovers,
            "orphans": self._delete_orphans,
            "removed voices": self._delete_removed_voices,
            "unfinished audio": self._delete_unfinished_audio,
        }

    def _delete_leftovers(self) -> None:
        silent: set[str] = set()
        for leftover in _shuffled(cast("set[str]", self._redis.smembers(keys.LEFTOVERS))):
            host, _, slug = leftover.partition("/")
            if host not in self._hosts or host in silent:
                continue
            try:
                self._hosts[host].delete(slug)
            except KavoxError as error:
                silent.add(host)
                log.warning("kernel not deleted yet", kernel=slug, detail=error.detail)
            else:
                self._redis.srem(keys.LEFTOVERS, leftover)

    def _delete_orphans(self) -> None:
        """What no note leads to, looked for now and then by one worker for all."""
        for name in self._hosts:
            if self._redis.set(keys.SWEPT + name, "1", nx=True, ex=_ORPHANS_PERIOD_SECONDS):
                for delete_orphans in (self._delete_orphan_kernels, self._delete_orphan_datasets):
                    try:
                        delete_orphans(name)
                    except KavoxError as error:
                        log.warning("orphans not looked for", host=name, detail=error.detail)

    def _delete_orphan_kernels(self, name: str) -> None:
        """Kernels of runs that are over; those of runs that nobody knows once they cannot be under way any more."""
        if self._settings.keep_kernels:
            return
        slugs = self._hosts[name].slugs(f"{self._settings.kernel_prefix}-")
        # Read afterwards: what is listed by now was pushed by a run that was open before.
        orphans = self._orphan_kernels(slugs, self._runs.open_ids())
        _delete_each(orphans, self._hosts[name].delete, kind="kernel", host=name)

    def _delete_orphan_datasets(self, name: str) -> None:
        """Datasets of voices that nobody knows: their callers could not remove them any more."""
        if name in self._datasets:
            orphans = self._orphan_datasets(self._datasets[name].slugs())
            _delete_each(orphans, self._datasets[name].delete, kind="dataset", host=name)

    def _orphan_datasets(self, slugs: Iterable[str]) -> Iterable[str]:
        for slug in slugs:
            voice_id = slug.removeprefix(f"{self._settings.kernel_prefix}-")
            if not is_voice_id(voice_id) or self._voices.is_there(voice_id):
                continue
            if time.time() - created_at(voice_id.removeprefix(VOICE_PREFIX)) > _GRACE_SECONDS:
                yield slug

    def _orphan_kernels(self, slugs: Iterable[str], open_ids: set[str]) -> Iterable[str]:
        settings = self._settings
        longest = settings.deployment_timeout_minutes * 60 + LONGEST_SESSION_SECONDS + _GRACE_SECONDS
        for slug in slugs:
            run_id = slug.removeprefix(f"{settings.kernel_prefix}-")
            if not is_id(run_id) or run_id in open_ids:
                continue
            if self._redis.exists(keys.RUN + run_id) or time.time() - created_at(run_id) > longest:
                yield slug

    def _delete_removed_voices(self) -> None:
        silent: set[str] = set()
        for voice in _shuffled(self._voices.removed()):
            try:
                self._audio.delete(recording_name(voice.file))
            except StoreUnavailable as error:
                log.warning("recording not removed yet", voice=voice.id, detail=error.detail)
                continue
            self._voices.settle(voice, [host for host in voice.hosts if not self._deleted_there(voice, host, silent)])

    def _deleted_there(self, voice: RemovedVoice, host: str, silent: set[str]) -> bool:
        """Whether the host has no dataset of the voice; a host that this worker does not know may have one."""
        if host not in self._datasets or host in silent:
            return False
        try:
            self._datasets[host].delete(self._datasets[host].slug(voice.id))
        except KavoxError as error:
            silent.add(host)
            log.warning("dataset not deleted yet", voice=voice.id, host=host, detail=error.detail)
            return False
        log.info("dataset deleted", voice=voice.id, host=host)
        return True

    def _delete_unfinished_audio(self) -> None:
        """By each worker, because each may be the only one that sees its folder."""
        if time.monotonic() < self._look_for_unfinished_at:
            return
        self._look_for_unfinished_at = time.monotonic() + _UNFINISHED_PERIOD_SECONDS
        if count := self._audio.clear_unfinished():
            log.info("unfinished audio deleted", files=count)


def _delete_each(slugs: Iterable[str], delete: Callable[[str], None], *, kind: str, host: str) -> None:
    """Deletes what can be deleted; after a few failures the host is left alone, and the next pass begins elsewhere."""
    failures = 0
    for slug in _shuffled(slugs):
        try:
            delete(slug)
        except KavoxError as error:
            log.warning(f"orphan {kind} not deleted yet", host=host, **{kind: slug}, detail=error.detail)
            failures += 1
            if failures == _MOST_FAILURES:
                return
        else:
            log.info(f"orphan {kind} deleted", host=host, **{kind: slug})


def _shuffled(found: Iterable[_T]) -> list[_T]:
    """What is to be deleted, in another order each time.

    A host that fails is left alone for the rest of a pass, or the pass would take as many time-outs as there is to do,
    and meanwhile nobody look after the runs; and what cannot be deleted must not come first for ever.
    """
    listed = list(found)
    random.shuffle(listed)
    return listed
