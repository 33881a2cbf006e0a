"""GET /jobs/{id}/audio in every state of a job."""

import httpx
import pytest

from tests.app.workshop import Workshop

WAV = b"RIFF" + bytes(range(256)) * 4000


@pytest.fixture
def job_id(api: httpx.Client) -> str:
    return str(api.post("/synthesize", json={"text": "Hello."}).json()["id"])


def test_finished_audio_is_streamed(api: httpx.Client, workshop: Workshop, job_id: str) -> None:
    """The wav arrives whole, with its type, length, content hash and a safe file name."""
    workshop.start(job_id)
    audio = workshop.succeed(job_id, WAV)
    job = api.get(f"/jobs/{job_id}").json()
    assert job["audio"] == {"url": f"/jobs/{job_id}/audio", "wav": None, **audio}
    answer = api.get(job["audio"]["url"])
    assert (answer.status_code, answer.content) == (200, WAV)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(WAV))
    assert answer.headers["etag"] == f'"{audio["sha256"]}"'
    assert answer.headers["content-disposition"] == f'inline; filename="{job_id}.wav"'


def test_audio_that_is_not_ready_says_when_to_come_back(api: httpx.Client, workshop: Workshop, job_id: str) -> None:
    """While a job waits or runs, its audio is a 409 with Retry-After."""
    for step in ("queued", "running"):
        if step == "running":
            workshop.start(job_id)
        answer = api.get(f"/jobs/{job_id}/audio")
        assert (answer.status_code, answer.json()["code"]) == (409, "audio_not_ready")
        assert int(answer.headers["retry-after"]) >= 1
        assert step in answer.json()["detail"]


def test_audio_of_a_failed_job_names_the_error(api: httpx.Client, workshop: Workshop, job_id: str) -> None:
    """The problem repeats what the job failed of, and does not invite to come back."""
    workshop.fail(job_id)
    answer = api.get(f"/jobs/{job_id}/audio")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_failed")
    assert answer.json()["detail"] == "the job failed: audio_rejected: the clip is empty"
    assert "retry-after" not in answer.headers


def test_audio_of_a_cancelled_job_does_not_come(api: httpx.Client, job_id: str) -> None:
    """A cancelled job has no audio and will have none."""
    api.delete(f"/jobs/{job_id}")
    answer = api.get(f"/jobs/{job_id}/audio")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_canceled")


def test_expired_audio_is_gone(api: httpx.Client, workshop: Workshop, job_id: str) -> None:
    """Audio that has been there and is not any more is a 410."""
    workshop.start(job_id)
    workshop.forget_audio(job_id, workshop.succeed(job_id, WAV))
    answer = api.get(f"/jobs/{job_id}/audio")
    assert (answer.status_code, answer.json()["code"]) == (410, "audio_expired")
