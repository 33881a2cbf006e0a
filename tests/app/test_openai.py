"""What OpenAI's own client gets, unchanged but for its address."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import openai
import pytest
import soundfile
from redis import Redis

from app.shared import keys
from app.shared.job_queue import QUEUE
from tests.app.api_process import serving
from tests.app.conftest import Headers, Place
from tests.app.workshop import Workshop
from tests.service import wait_for

SAMPLES = (np.sin(np.arange(2400) / 20) * 20000).astype("<i2")
Speech = Future[bytes]


def _wav() -> bytes:
    content = io.BytesIO()
    soundfile.write(content, SAMPLES, 24000, format="WAV", subtype="PCM_16")
    return content.getvalue()


def _client(api: httpx.Client, key: str = "any", **options: object) -> openai.OpenAI:
    patient: dict[str, Any] = {"timeout": 15, **options}
    return openai.OpenAI(base_url=f"{str(api.base_url).rstrip('/')}/v1", api_key=key, **patient)


def _speak(client: openai.OpenAI, **request: object) -> bytes:
    wanted = {"input": "Hello.", "model": "tts-1", "voice": "alloy", "response_format": "wav", **request}
    return client.audio.speech.create(**wanted).content  # type: ignore[arg-type]


def _refusal(client: openai.OpenAI, **request: object) -> tuple[int, object, str | None]:
    """Status, code and parameter of the error that the client raises."""
    with pytest.raises(openai.APIStatusError) as raised:
        _speak(client, **request)
    return raised.value.status_code, raised.value.code, raised.value.param


def _accepted(redis: Redis, count: int = 1) -> list[str]:
    """The ids of the jobs there are, the oldest first, once so many are there."""

    def there() -> list[str]:
        found = cast("list[str]", redis.zrange(keys.QUEUED, 0, -1))
        return sorted(found) if len(found) >= count else []

    return wait_for(f"{count} jobs", there, 20)


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Where requests are sent that take a while."""
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture(scope="module")
def impatient(guarded_place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API that waits a second for a job, and knows its callers."""
    settings = {**guarded_place.settings, "openai_wait_seconds": 1}
    with serving(tmp_path_factory.mktemp("impatient"), **settings) as client:
        yield client


def test_a_model_without_a_provider_is_not_found(api: httpx.Client) -> None:
    """The part before the stroke is empty: a 404 as for any other model that there is not."""
    answer = api.post("/v1/audio/speech", json={"input": "Hello.", "model": "/small", "voice": "heart"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_a_script_written_for_openai_gets_its_audio(
    api: httpx.Client, redis: Redis, workshop: Workshop, aside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    """OpenAI's own names of model and voice stand for the default ones, and the file is the one that was made."""
    file = tmp_path / "speech.wav"

    def script() -> None:
        with _client(api).audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="coral", input="Hello.", response_format="wav"
        ) as response:
            response.stream_to_file(file)

    running = aside.submit(script)
    (job_id,) = _accepted(redis)
    workshop.start(job_id)
    workshop.succeed(job_id, _wav())
    running.result(timeout=20)
    job = api.get(f"/jobs/{job_id}").json()
    assert file.read_bytes() == _wav()
    assert (job["provider"], job["model"], job["voice"], job["options"]) == ("hibari", "small", "heart", {})


def test_everything_that_openai_has_a_word_for_is_heeded(
    api: httpx.Client, redis: Redis, workshop: Workshop, aside: ThreadPoolExecutor
) -> None:
    """Provider and model, a voice as an object, speed, and raw samples without a header."""
    speech: Speech = aside.submit(
        _speak, _client(api), model="hibari/large", voice={"id": "grand"}, speed=1.5, response_format="pcm"
    )
    (job_id,) = _accepted(redis)
    workshop.start(job_id)
    workshop.succeed(job_id, _wav())
    assert speech.result(timeout=20) == SAMPLES.tobytes()
    job = api.get(f"/jobs/{job_id}").json()
    assert (job["model"], job["voice"], job["options"]) == ("large", "grand", {"speed": 1.5})


def test_the_format_is_mp3_unless_another_is_named(
    api: httpx.Client, redis: Redis, workshop: Workshop, aside: ThreadPoolExecutor
) -> None:
    """As OpenAI's service has it; the same text in two formats is spoken once."""
    speech = _client(api).audio.speech
    wanted: dict[str, Any] = {"input": "Hello.", "model": "tts-1", "voice": "alloy"}
    answers = [aside.submit(speech.create, **wanted), aside.submit(speech.create, **wanted, response_format="opus")]
    (job_id,) = _accepted(redis)
    workshop.start(job_id)
    workshop.succeed(job_id, _wav())
    for answer, media_type, kind in zip(answers, ("audio/mpeg", "audio/ogg"), ("MP3", "OGG"), strict=True):
        response = answer.result(timeout=20)
        assert response.response.headers["content-type"].startswith(media_type)
        assert soundfile.info(io.BytesIO(response.content)).format == kind
    assert len(api.get("/jobs").json()["jobs"]) == 1


@pytest.mark.parametrize(
    ("request_", "code", "param"),
    [
        ({"model": "hibari", "voice": "alloy"}, "unknown_voice", "voice"),
        ({"voice": 5}, "wrong_type", "voice"),
        ({"input": " "}, "text_empty", "input"),
        ({"input": "x" * 1001}, "text_too_long", "input"),
        ({"response_format": "aac"}, "unsupported_format", "response_format"),
        ({"instructions": "Cheerfully."}, "unknown_option", "instructions"),
        ({"speed": 3.0}, "invalid_option", "speed"),
        ({"speed": 5.0}, "invalid_value", "speed"),
        ({"stream_format": "sse"}, "unsupported_stream_format", "stream_format"),
        ({"extra_body": {"volume": 11}}, "unknown_field", "volume"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_name(
    api: httpx.Client, redis: Redis, request_: dict[str, object], code: str, param: str
) -> None:
    """Nothing is ignored in silence: the error names the parameter as the client does, and no job is made."""
    assert _refusal(_client(api), **request_) == (400, code, param)
    assert redis.exists(keys.QUEUED) == 0


@pytest.mark.usefixtures("guarded_redis")
def test_scripts_catch_the_errors_that_openai_would_raise(api: httpx.Client, impatient: httpx.Client) -> None:
    """A bad value, an unknown model and a wrong key are the exceptions of OpenAI's own service."""
    with pytest.raises(openai.BadRequestError):
        _speak(_client(api), response_format="aac")
    for model in ("whisper-1", "hibari/huge"):
        with pytest.raises(openai.NotFoundError, match="GET /v1/models") as raised:
            _speak(_client(api), model=model)
        assert raised.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        _speak(_client(impatient, "wrong"))


@pytest.mark.usefixtures("guarded_redis")
def test_fields_that_are_null_were_left_out(impatient: httpx.Client, headers: Headers) -> None:
    """Clients that send all fields that they know, and null for most of them, are understood."""
    nothing = ("model", "voice", "instructions", "response_format", "speed", "stream_format", "lang_code")
    body = {"input": "Hello.", **dict.fromkeys(nothing)}
    answer = impatient.post("/v1/audio/speech", json=body, headers=headers.anne)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "job_not_finished")
    answer = impatient.post("/v1/audio/speech", json={"input": None}, headers=headers.anne)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "missing_field")
    answer = impatient.post("/v1/audio/speech", json={"input": "Hello.", "lang_code": "a"}, headers=headers.anne)
    assert answer.json()["error"]["message"] == "lang_code: is not a field of this request"


def test_every_error_below_v1_has_openais_envelope(api: httpx.Client, impatient: httpx.Client, redis: Redis) -> None:
    """Whatever goes wrong, and wherever: the client can read it."""
    path = "/v1/audio/speech"
    redis.set(keys.QUEUED, "what no script of ours can work with")
    answers = {
        401: impatient.post(path, json={"input": "Hello."}),
        404: api.get("/v1/nowhere"),
        405: api.put(path),
        400: api.post(path, content="{", headers={"Content-Type": "application/json"}),
        413: api.post(path, content=b" " * 400_000, headers={"Content-Type": "application/json"}),
        415: api.post(path, content="input=Hello."),
        500: api.post(path, json={"input": "Hello."}),
    }
    for status, answer in answers.items():
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert answer.json().keys() == {"error"}
        assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
        assert answer.json()["error"]["type"].endswith("_error")


def test_silent_retries_of_a_client_share_one_job(
    api: httpx.Client, redis: Redis, workshop: Workshop, aside: ThreadPoolExecutor
) -> None:
    """A client that loses patience and asks again finds its job, also a moment after its end."""
    with pytest.raises(openai.APITimeoutError):
        _speak(_client(api, timeout=0.5, max_retries=1))
    (job_id,) = _accepted(redis)
    again: list[Speech] = [aside.submit(_speak, _client(api)) for _ in range(3)]
    workshop.start(job_id)
    workshop.succeed(job_id, _wav())
    assert [speech.result(timeout=20) for speech in again] == [_wav()] * 3
    assert _speak(_client(api)) == _wav()
    assert len(api.get("/jobs").json()["jobs"]) == 1


def test_a_client_that_is_sent_away_while_its_format_is_made_finds_its_job(
    api: httpx.Client, redis: Redis, workshop: Workshop, aside: ThreadPoolExecutor
) -> None:
    """Four minutes after the job's end it still gets the audio. After a failure that long ago, it is spoken anew."""
    speech = aside.submit(_speak, _client(api))
    (job_id,) = _accepted(redis)
    workshop.start(job_id)
    workshop.succeed(job_id, _wav())
    assert speech.result(timeout=20) == _wav()
    redis.hset(keys.JOB + job_id, "finished_at", time.time() - 240)
    assert _speak(_client(api)) == _wav()
    redis.hset(keys.JOB + job_id, "status", "failed")
    aside.submit(_refusal, _client(api, timeout=0.2, max_retries=0))
    assert _accepted(redis) != [job_id]


def test_only_the_same_request_of_the_same_caller_is_shared(
    impatient: httpx.Client, headers: Headers, guarded_redis: Redis
) -> None:
    """Another text, another voice, another caller, and a request after a cancel are jobs of their own."""
    one, two = _client(impatient, headers.anne_key), _client(impatient, headers.bert_key)
    assert _refusal(one)[0] == 504
    (first,) = _accepted(guarded_redis)
    for client, request in [
        (one, {"input": "Goodbye."}),
        (one, {"model": "hibari/large", "voice": "grand"}),
        (two, {}),
    ]:
        assert _refusal(client, **request)[0] == 504
    assert len(_accepted(guarded_redis, 4)) == 4
    impatient.delete(f"/jobs/{first}", headers=headers.anne)
    assert _refusal(one)[0] == 504
    assert len(_accepted(guarded_redis, 4)) == 4


def test_a_job_that_takes_too_long_says_where_it_is(
    impatient: httpx.Client, headers: Headers, guarded_redis: Redis
) -> None:
    """The client does not ask again by itself, and is told where the audio will be; the job goes on."""
    calls: list[object] = []
    http = openai.DefaultHttpxClient(event_hooks={"request": [calls.append]})
    with pytest.raises(openai.InternalServerError) as raised:
        _speak(_client(impatient, headers.anne_key, http_client=http))
    (job_id,) = _accepted(guarded_redis)
    assert (raised.value.status_code, raised.value.code) == (504, "job_not_finished")
    assert f"/jobs/{job_id}/audio" in raised.value.message
    assert 0 < int(raised.value.response.headers["retry-after"]) <= 120
    assert len(calls) == 1


def test_a_failed_job_is_told_once(
    api: httpx.Client, redis: Redis, workshop: Workshop, aside: ThreadPoolExecutor
) -> None:
    """Its reason arrives, and the client does not have it spoken again."""
    refusal = aside.submit(_refusal, _client(api))
    (job_id,) = _accepted(redis)
    workshop.start(job_id)
    workshop.fail(job_id)
    assert refusal.result(timeout=20) == (500, "audio_rejected", None)
    assert len(api.get("/jobs").json()["jobs"]) == 1


def test_a_client_that_leaves_cancels_nothing(api: httpx.Client, redis: Redis) -> None:
    """The job waits on in its lane."""
    with pytest.raises(openai.APITimeoutError):
        _speak(_client(api, timeout=0.5, max_retries=0))
    (job_id,) = _accepted(redis)
    assert api.get(f"/jobs/{job_id}").json()["status"] == "queued"
    assert redis.exists(f"rq:queue:{QUEUE}")


def test_models_and_voices_are_listed(api: httpx.Client) -> None:
    """Every provider and each of its models; the voices of the default one, or of the model that is named."""
    client = _client(api)
    models = {model.id for model in client.models.list()}
    assert {"hibari", "hibari/small", "hibari/large", "edge/small"} <= models
    assert client.models.retrieve("hibari/large").owned_by == "hibari-engine"
    assert client.models.retrieve("tts-1").id == "tts-1"
    assert {model["id"] for model in api.get("/v1/audio/models").json()["models"]} == models
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("tts-9")
    assert api.get("/v1/audio/voices").json() == {"voices": [{"id": "heart", "name": "Heart"}]}
    voices = api.get("/v1/audio/voices", params={"model": "hibari/large"}).json()["voices"]
    assert [voice["id"] for voice in voices] == ["heart", "grand"]
    dated = api.get("/v1/audio/voices", params={"model": "gpt-4o-mini-tts-2025-12-15"})
    assert dated.json() == api.get("/v1/audio/voices").json()
    assert api.get("/v1/audio/voices", params={"model": "nobody"}).json()["error"]["code"] == "model_not_found"
