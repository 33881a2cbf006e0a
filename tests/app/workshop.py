"""Does to jobs and to Redis what workers do, with the same public pieces."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore, audio_name
from app.shared.job import JobStatus, change
from app.shared.presence import Presence, announce
from app.shared.transition import SHOW_LUA, TRANSITION, flat, transition_arguments

RUN = {
    "id": "19abcdef0120123456789",
    "host": "emulator",
    "kernel": "someone/kavox-19abcdef0120123456789",
    "version": 1,
    "url": "https://www.kaggle.com/code/someone/kavox-19abcdef0120123456789",
    "engine": "hibari-engine 1.0",
    "notebook_sha256": "ab" * 32,
}


class Workshop:
    """A worker's hands."""

    def __init__(self, redis: Redis, data_dir: Path) -> None:
        self._redis = redis
        self._transition = redis.register_script(TRANSITION)
        self._show = redis.register_script(f"{SHOW_LUA} show(ARGV[1], cjson.decode(ARGV[2]))")
        self._data_dir = data_dir
        self._audio = AudioStore.open(None, data_dir / "audio")

    def announce(self, *local_providers: str) -> None:
        """A worker lives, and has these providers' packages."""
        announce(self._redis, Presence("worker", "machine", time.time(), ["emulator", "local"], local_providers))

    def start(self, job_id: str) -> None:
        """A run claims the job."""
        self._move(job_id, JobStatus.RUNNING, progress=0.25, phase="synthesizing", run=RUN)

    def report(self, job_id: str, phase: str, progress: float) -> None:
        """The job's notebook has come so far."""
        self._show(args=[job_id, json.dumps(flat(change(phase=phase, progress=progress)))])

    def claimed(self, lane: str) -> None:
        """A run has taken jobs out of the lane."""
        self._redis.publish(keys.CHANGED_LANE, lane)

    def fail(self, job_id: str) -> None:
        """The job's run ends without audio."""
        error = {"code": "audio_rejected", "detail": "the clip is empty", "retryable": False}
        self._move(job_id, JobStatus.FAILED, finished_at=time.time(), error=error)

    def end_cancel(self, job_id: str) -> None:
        """The job's host has confirmed that it goes on no more."""
        self._move(job_id, JobStatus.CANCELED, finished_at=time.time())

    def succeed(self, job_id: str, content: bytes, **told: Any) -> dict[str, Any]:
        """The job's audio is published, and `told` of it what is not usual; answers what the job says of it."""
        audio = {
            "format": "wav",
            "duration_seconds": 1.5,
            "sample_rate": 24000,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "checks": {"silence": "passed"},
            **told,
        }
        path = self._data_dir / f"{job_id}.part"
        path.write_bytes(content)
        self._audio.put(self._name(job_id, audio), path)
        self._move(job_id, JobStatus.SUCCEEDED, finished_at=time.time(), progress=1.0, audio=audio)
        return audio

    def forget_audio(self, job_id: str, audio: dict[str, Any]) -> None:
        """The audio's retention time has passed."""
        self._audio.delete(self._name(job_id, audio))

    def _name(self, job_id: str, audio: dict[str, Any]) -> str:
        return audio_name(job_id, audio["sha256"], audio["format"])

    def _move(self, job_id: str, to: JobStatus, **fields: object) -> None:
        met = self._transition(args=transition_arguments(job_id, to, time.time(), change(**fields)))
        assert met, f"there is no job {job_id}"
