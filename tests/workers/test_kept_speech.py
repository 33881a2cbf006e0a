"""The result cache as workers keep it: a size, a time, and no file without an entry."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app.shared import keys
from app.shared.audio_formats import FORMATS, kept_name, kept_names
from app.shared.audio_store import AudioStore
from app.shared.job import Job
from app.shared.result_cache import result_key
from app.shared.settings import Settings
from tests.workers.jobs import make_job
from workers.kept_speech import KeptSpeech

SIZE = 400_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audio"


@pytest.fixture
def cache(redis: Redis, folder: Path) -> KeptSpeech:
    """Room for two clips of a megabyte, and an hour."""
    settings = Settings(_env_file=None, cache_max_megabytes=1, result_ttl_hours=1)
    return KeptSpeech(redis, AudioStore.open(None, folder), settings)


def spoken(folder: Path, text: str, size: int = SIZE) -> tuple[Job, dict[str, Any]]:
    """A job and its audio, which is stored."""
    job = make_job(text)
    content = text.encode().ljust(size, b"\0")
    audio = {"format": "wav", "sample_rate": 24000, "bytes": size, "sha256": hashlib.sha256(content).hexdigest()}
    AudioStore.open(None, folder).put(kept_name(job.id, audio, FORMATS["wav"]), content)
    return replace(job, result_key=result_key(job.caller, job.speech, "1")), audio


def kept(folder: Path) -> set[str]:
    """The ids of the jobs whose speech has files in the cache."""
    return {file.name.split("-")[1] for file in folder.glob("cache-*")}


def test_the_least_recently_used_makes_room(cache: KeptSpeech, folder: Path, redis: Redis) -> None:
    """An entry that has answered a request is younger than one that has not."""
    (first, a), (second, b), (third, c) = (spoken(folder, text) for text in ("one", "two", "three"))
    cache.keep(first, a, 1.0)
    cache.keep(second, b, 1.0)
    redis.zadd(keys.RESULTS, {first.result_key: time.time() + 1})
    cache.keep(third, c, 1.0)
    cache.tidy()
    assert kept(folder) == {first.id, third.id}
    assert int(redis.get(keys.RESULTS_BYTES) or 0) == 2 * SIZE
    savings = redis.hgetall(keys.SAVINGS + "local")
    assert savings == {"entries": "2", "bytes": str(2 * SIZE)}


def test_what_is_larger_than_the_cache_is_not_kept(cache: KeptSpeech, folder: Path) -> None:
    """It would throw everything else out."""
    small, audio = spoken(folder, "small")
    cache.keep(small, audio, 1.0)
    cache.keep(*spoken(folder, "huge", 1_000_001), 1.0)
    assert kept(folder) == {small.id}


def test_what_nobody_asks_for_goes_with_its_formats(cache: KeptSpeech, folder: Path, redis: Redis) -> None:
    """After the retention time, as a job's own audio does."""
    job, audio = spoken(folder, "once")
    cache.keep(job, audio, 1.0)
    for name in kept_names(f"cache-{job.id}", audio):
        (folder / name).touch()
    cache.tidy()
    assert kept(folder) == {job.id}
    redis.zadd(keys.RESULTS, {job.result_key: time.time() - 3601})
    cache.tidy()
    assert kept(folder) == set()
    assert redis.get(keys.RESULTS_BYTES) == "0"
    assert redis.keys(keys.RESULT + "*") == []


def test_publishing_twice_keeps_once(cache: KeptSpeech, folder: Path, redis: Redis) -> None:
    """A worker that takes a run over does everything again."""
    job, audio = spoken(folder, "again")
    for _ in range(2):
        cache.keep(job, audio, 1.0)
    cache.tidy()
    assert kept(folder) == {job.id}
    assert redis.get(keys.RESULTS_BYTES) == str(SIZE)


def test_of_two_that_spoke_the_same_one_is_kept(cache: KeptSpeech, folder: Path, redis: Redis) -> None:
    """The other one's file does not stay behind."""
    (first, audio), (second, _) = spoken(folder, "same"), spoken(folder, "same")
    assert first.result_key == second.result_key
    cache.keep(first, audio, 1.0)
    cache.keep(second, audio, 1.0)
    assert kept(folder) == {first.id}
    assert redis.get(keys.RESULTS_BYTES) == str(SIZE)


def test_copies_for_a_job_that_was_never_written_go(cache: KeptSpeech, folder: Path, redis: Redis) -> None:
    """Its API process died between the two; one that is there keeps its audio."""
    (lost, a), (found, b) = spoken(folder, "lost"), spoken(folder, "found")
    redis.hset(keys.JOB + found.id, "id", found.id)
    long_ago = time.time() - 3600
    redis.zadd(keys.ANSWERING, {f"{job.id}:{audio['sha256']}": long_ago for job, audio in ((lost, a), (found, b))})
    cache.tidy()
    assert [file.name.split("-")[0] for file in folder.iterdir()] == [found.id]
    assert redis.zcard(keys.ANSWERING) == 0


def test_without_room_nothing_is_kept(redis: Redis, folder: Path) -> None:
    """KAVOX_CACHE_MAX_MEGABYTES=0 turns it off."""
    off = KeptSpeech(redis, AudioStore.open(None, folder), Settings(_env_file=None, cache_max_megabytes=0))
    off.keep(*spoken(folder, "nothing"), 1.0)
    assert kept(folder) == set()
