"""Has the recordings of a run's cloned voices ready where the run's notebook will find them.

On Kaggle each is the one file of a private dataset, made when the voice is first spoken with:

    note ──► upload ──► wait for READY ──► check (private, version, the file itself) ──► note the version

Any step may be repeated, and by two workers at once: whoever comes second finds the dataset. The local host gets the
files themselves. A voice that cannot be had fails its own jobs, not the run.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from app.shared.audio_store import AudioStore
from app.shared.errors import Gone, HostUnreachable, KavoxError, ReferenceRefused
from app.shared.job import Job
from app.shared.scratch import Scratch
from app.shared.voice import recording_name
from workers.datasets import DatasetHost, DatasetState
from workers.voice_records import VoiceRecords

log = structlog.get_logger()

READY_SECONDS = 600
"""About a minute is usual for 100 MB on Kaggle, and a recording has 12 at most."""


@dataclass
class References:
    """What a push must bring: names of datasets for Kaggle, files for the local host. `refused` jobs go without."""

    datasets: list[str] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    refused: list[tuple[Job, KavoxError]] = field(default_factory=list)


class Recordings:
    """The recordings that jobs refer to. `datasets` are the hosts that keep datasets, by name."""

    def __init__(
        self,
        voices: VoiceRecords,
        audio: AudioStore,
        datasets: Mapping[str, DatasetHost],
        scratch: Scratch,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self._ready_seconds = ready_seconds
        self._scratch = scratch
        self._voices = voices
        self._audio = audio
        self._datasets = datasets

    @contextmanager
    def gathered(self, host: str, jobs: Sequence[Job], pause: Callable[[], None]) -> Iterator[References]:
        """The references of these jobs, there for as long as the block runs. Calls `pause` between two looks.

        Raises HostUnreachable and CredentialsRejected, after which the same may succeed.
        """
        by_voice: dict[str, list[Job]] = {}
        for job in jobs:
            if job.speech.reference is not None:
                by_voice.setdefault(job.speech.reference["voice"], []).append(job)
        with self._scratch.folder() as folder:
            found = References()
            for of_voice in by_voice.values():
                reference = of_voice[0].speech.reference or {}
                try:
                    if host in self._datasets:
                        found.datasets.append(self._uploaded(host, reference, folder, pause))
                    elif not self._voices.is_there(reference["voice"]):
                        raise _deleted(reference["voice"])
                    else:
                        found.files[reference["file"]] = self._fetched(reference, folder)
                except ReferenceRefused as error:
                    found.refused += [(job, error) for job in of_voice]
            yield found

    def _uploaded(self, host: str, reference: Mapping[str, Any], folder: Path, pause: Callable[[], None]) -> str:
        """The name of the dataset that has this recording."""
        voice_id, datasets = reference["voice"], self._datasets[host]
        slug = datasets.slug(voice_id)
        known = self._voices.begin(voice_id, host, reference["file"])
        if known is None:
            raise _deleted(voice_id)
        if not self._is_there(datasets, slug, known):
            size = self._upload(datasets, slug, reference, folder, pause)
            version = self._checked(datasets, slug, reference["file"], size)
            if not self._voices.uploaded(voice_id, host, version, reference["file"]):
                raise _deleted(voice_id)
            log.info("recording uploaded", voice=voice_id, host=host, dataset=slug)
        return datasets.ref(slug)

    def _is_there(self, datasets: DatasetHost, slug: str, known: str) -> bool:
        """Whether the host still has the version that was once checked; one that was deleted there is made anew."""
        found = datasets.find(slug) if known else None
        if found is None:
            return False
        if str(found.version) != known or not found.private:
            raise ReferenceRefused(
                f"the dataset {slug} was changed on Kaggle; delete the voice and send its recording again"
            )
        return True

    def _upload(
        self,
        datasets: DatasetHost,
        slug: str,
        reference: Mapping[str, Any],
        folder: Path,
        pause: Callable[[], None],
    ) -> int:
        """Waits until the dataset is ready, made here unless it is there already; the recording's size in bytes."""
        file = self._fetched(reference, folder)
        until = time.monotonic() + self._ready_seconds
        if datasets.state(slug) is DatasetState.ABSENT:
            datasets.create(slug, file)
        while (state := datasets.state(slug)) is not DatasetState.READY:
            if state is DatasetState.FAILED:
                # It would stay so, and be in the way of another attempt.
                datasets.delete(slug)
                raise ReferenceRefused(
                    f"Kaggle could not take in the recording of {reference['voice']}; ask again, or send another one"
                )
            if time.monotonic() > until:
                # Tried again and again, it would hold up everything else in its lane.
                raise ReferenceRefused(
                    f"Kaggle has not taken in the recording of {reference['voice']} within {self._ready_seconds:g} s; "
                    "ask again later",
                    code="voice_not_ready",
                )
            pause()
        return file.stat().st_size

    def _checked(self, datasets: DatasetHost, slug: str, file: str, size: int) -> int:
        """The version of a dataset that has just become ready, once it is certain what it is."""
        found = datasets.find(slug)
        if found is None:
            raise HostUnreachable(f"the dataset {slug} is said to be ready, and yet cannot be read")
        if not found.private:
            datasets.delete(slug)
            raise ReferenceRefused(f"the dataset {slug} was public and has been deleted", code="dataset_public")
        if dict(found.files) != {file: size}:
            raise ReferenceRefused(
                f"the dataset {slug} has other files than the recording: {sorted(found.files)}; "
                "delete the voice and send its recording again"
            )
        return found.version

    def _fetched(self, reference: Mapping[str, Any], folder: Path) -> Path:
        """A copy of the recording, compared with what its voice was accepted with."""
        path = folder / str(reference["file"])
        try:
            content = self._audio.fetch(recording_name(reference["file"]))
        except Gone:
            voice_id = reference["voice"]
            raise ReferenceRefused(
                f"the recording of {voice_id} is lost; delete the voice and send its recording again"
            ) from None
        if hashlib.sha256(content).hexdigest() != reference["sha256"]:
            voice_id = reference["voice"]
            raise ReferenceRefused(
                f"the recording of {voice_id} was changed on disk; delete the voice and send its recording again"
            )
        path.write_bytes(content)
        return path


def _deleted(voice_id: str) -> ReferenceRefused:
    return ReferenceRefused(f"the voice {voice_id} was deleted before this was spoken", code="voice_deleted")
