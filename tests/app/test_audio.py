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


@pytest.fixture
def finished(workshop: Workshop, job_id: str) -> str:
    """The address of the audio of a job that has succeeded with WAV."""
    workshop.start(job_id)
    workshop.succeed(job_id, WAV)
    return f"/jobs/{job_id}/audio"


def test_a_part_is_delivered_alone(api: httpx.Client, finished: str) -> None:
    """A player that seeks gets the bytes that it asks for, and is told where they lie."""
    answer = api.get(finished, headers={"Range": "bytes=1000-1999"})
    assert (answer.status_code, answer.content) == (206, WAV[1000:2000])
    assert answer.headers["content-range"] == f"bytes 1000-1999/{len(WAV)}"
    assert answer.headers["content-length"] == "1000"
    assert api.get(finished).headers["accept-ranges"] == "bytes"


def test_a_download_that_broke_off_goes_on(api: httpx.Client, finished: str) -> None:
    """With If-Range the rest comes, but only while the file is the same; otherwise all of it."""
    etag = api.get(finished).headers["etag"]
    rest = api.get(finished, headers={"Range": "bytes=700000-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, WAV[700000:])
    whole = api.get(finished, headers={"Range": "bytes=700000-", "If-Range": '"another"'})
    assert (whole.status_code, whole.content) == (200, WAV)


def test_a_part_that_is_not_there_is_refused(api: httpx.Client, finished: str) -> None:
    """Behind the end there is nothing; the problem tells how much there is."""
    answer = api.get(finished, headers={"Range": f"bytes={len(WAV)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(WAV)}"


def test_what_the_caller_has_is_not_sent_again(api: httpx.Client, finished: str) -> None:
    """If-None-Match with the file's tag is a 304 without a body, even where a part is asked for."""
    etag = api.get(finished).headers["etag"]
    for more in ({}, {"Range": "bytes=0-9"}):
        answer = api.get(finished, headers={"If-None-Match": etag, **more})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert api.get(finished, headers={"If-None-Match": '"another"'}).status_code == 200


def test_a_part_of_a_version_that_is_no_more_is_refused(api: httpx.Client, finished: str) -> None:
    """If-Match with another tag is a 412, whatever else is asked for; with this one it changes nothing."""
    etag = api.get(finished).headers["etag"]
    answer = api.get(finished, headers={"If-Match": '"another"', "If-None-Match": etag, "Range": "bytes=0-9"})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert api.get(finished, headers={"If-Match": etag, "Range": "bytes=0-9"}).content == WAV[:10]


def test_head_tells_everything_but_the_audio(api: httpx.Client, finished: str) -> None:
    """The headers are those of GET, whatever part is asked for."""
    whole, head = api.get(finished).headers, api.head(finished, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "content-disposition", "etag", "accept-ranges"):
        assert head.headers[name] == whole[name]


def test_head_of_audio_that_is_not_there_says_why(api: httpx.Client, workshop: Workshop, job_id: str) -> None:
    """Status and Retry-After are those of GET: not ready, expired."""
    waiting = api.head(f"/jobs/{job_id}/audio")
    assert (waiting.status_code, waiting.content) == (409, b"")
    assert int(waiting.headers["retry-after"]) >= 1
    workshop.start(job_id)
    workshop.forget_audio(job_id, workshop.succeed(job_id, WAV))
    assert api.head(f"/jobs/{job_id}/audio").status_code == 410


def test_a_browser_can_be_made_to_save_it(api: httpx.Client, finished: str) -> None:
    """`download` changes what a browser does with it, nothing else; a misspelt parameter is refused."""
    saved = api.get(finished, params={"download": 1})
    assert saved.headers["content-disposition"].startswith('attachment; filename="')
    assert saved.content == WAV
    assert api.get(finished, params={"downlaod": 1}).json()["code"] == "unknown_field"
