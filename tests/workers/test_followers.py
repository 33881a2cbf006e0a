"""What becomes of jobs that wait for another one's synthesis, or for kept speech, when there is none to be had."""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from app.shared import keys
from app.shared.audio_formats import FORMATS, kept_name
from app.shared.audio_store import AudioStore
from app.shared.batch import Batch, new_batch_id
from app.shared.batch_submission import BatchSubmissions
from app.shared.identifiers import new_id
from app.shared.job import Job, JobStatus
from app.shared.job_queue import JobQueue
from app.shared.pipelines import SharedPipelines
from app.shared.redis_client import connect_for_queue
from app.shared.result_cache import PREFIX, result_key
from app.shared.scratch import Scratch
from app.shared.settings import Settings
from tests.puppets import RATE, wav
from tests.workers.jobs import make_job, read, submit, use
from workers.followers import Followers
from workers.kept_speech import KeptSpeech


@pytest.fixture
def audio(tmp_path: Path) -> AudioStore:
    return AudioStore.open(None, tmp_path / "audio")


@pytest.fixture
def followers(redis: Redis, redis_url: str, audio: AudioStore, tmp_path: Path) -> Followers:
    return Followers(redis, audio, JobQueue(connect_for_queue(redis_url)), Scratch(tmp_path / "scratch"))


def shared(batch_id: str = "", *, wanted: str = "wav") -> Job:
    """A job that any other of these answers too."""
    job = make_job(batch=batch_id)
    speech = replace(job.speech, format=wanted)
    return replace(job, speech=speech, result_key=result_key(job.caller, speech, "1"))


def kept(redis: Redis, audio: AudioStore, job: Job) -> str:
    """Keeps a beep as what this job has spoken; the id of its files."""
    content = wav(2.0)
    shown = {"format": "wav", "sample_rate": RATE, "bytes": len(content), "duration_seconds": 2.0}
    shown["sha256"] = hashlib.sha256(content).hexdigest()
    audio.put(kept_name(job.id, shown, FORMATS["wav"]), content)
    KeptSpeech(redis, audio, Settings(_env_file=None, cache_max_megabytes=100)).keep(job, shown, 1.0)
    return PREFIX + job.id


def submit_batch(url: str, batch_id: str, jobs: list[Job]) -> None:
    batch = Batch(batch_id, "local", time.time(), len(jobs), 10, {JobStatus.QUEUED: len(jobs)})

    async def accept(redis: SharedPipelines) -> None:
        await BatchSubmissions(redis, max_waiting_jobs=1000).submit(batch, jobs)

    use(url, accept)


def in_lane(redis: Redis, jobs: Iterable[Job]) -> list[bool]:
    return [redis.zscore(keys.LANE + job.speech.lane, job.id) is not None for job in jobs]


def test_who_may_be_spoken_elsewhere_leads_nobody(followers: Followers, redis: Redis, redis_url: str) -> None:
    """Its speech may turn out as another provider's: where kept speech is lost, the next one is spoken for the rest."""
    spoken, batch_id = shared(), new_batch_id()
    redis.set(keys.RESULT + spoken.result_key, f'{{"owner":"{spoken.id}"}}')
    first, second, third = (shared(batch_id) for _ in range(3))
    first = replace(first, fallback=replace(first.speech, provider="mimic", model="parrot", host="local"))
    submit_batch(redis_url, batch_id, [first, second, third])
    assert in_lane(redis, [first, second, third]) == [False] * 3

    redis.delete(keys.RESULT + spoken.result_key)
    followers.settle_all()
    later = shared()
    submit(redis_url, later)
    assert in_lane(redis, [first, second, third, later]) == [True, True, False, False]
    assert [read(redis_url, job).follows for job in (first, second, third, later)] == ["", "", second.id, second.id]
    assert redis.smembers(keys.FOLLOWED) == {second.id}
    assert redis.smembers(f"{keys.LANE}{first.speech.lane}:fallbacks") == {first.id}


def test_no_room_for_one_format_keeps_nobody_else_waiting(
    followers: Followers, audio: AudioStore, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    """What waits for other speech gets it, and the one that there was no room for is given its own later."""
    batch_id = new_batch_id()
    job, other = shared(batch_id, wanted="mp3"), replace(shared(batch_id), result_key="of other speech")
    kept(redis, audio, replace(job, id=new_id()))
    kept(redis, audio, replace(other, id=new_id()))
    submit_batch(redis_url, batch_id, [job, other])
    # No folder can be made where there is a file.
    (tmp_path / "scratch").touch()
    followers.settle_all()
    assert [read(redis_url, one).status for one in (job, other)] == [JobStatus.QUEUED, JobStatus.SUCCEEDED]
    (tmp_path / "scratch").unlink()
    followers.settle_all()
    assert read(redis_url, job).status is JobStatus.SUCCEEDED


def test_a_format_is_made_once_for_all_who_wait_for_it(
    followers: Followers, audio: AudioStore, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    """An encoder writes other bytes each time: all have the same, which is kept beside the speech that they share."""
    batch_id = new_batch_id()
    jobs = [shared(batch_id, wanted="opus") for _ in range(5)]
    file_id = kept(redis, audio, replace(jobs[0], id=new_id()))
    submit_batch(redis_url, batch_id, jobs)
    followers.settle_all()
    shown = [read(redis_url, job).audio or {} for job in jobs]
    assert len({one["sha256"] for one in shown}) == 1
    (beside,) = (tmp_path / "audio").glob(f"{file_id}-*.opus")
    assert hashlib.sha256(beside.read_bytes()).hexdigest() == shown[0]["sha256"]
    assert [len(audio.fetch(kept_name(job.id, shown[0], FORMATS["opus"]))) for job in jobs] == [shown[0]["bytes"]] * 5
