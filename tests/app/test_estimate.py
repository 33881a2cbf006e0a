"""`POST /synthesize?dry_run=true`: what a request would cost, before it is made."""

import httpx
import pytest
from redis import Redis

from app.shared import eta
from tests.app.api_process import serving
from tests.app.conftest import Place

WHERE = "/synthesize?dry_run=true"
SENTENCE = "The quick brown fox jumps over the lazy dog. "


def _queued(redis: Redis) -> int:
    return redis.zcard("kavox:queued")


def test_nothing_is_queued(api: httpx.Client, redis: Redis) -> None:
    """It answers 200 with figures, and has no place to look at."""
    answer = api.post(WHERE, json={"text": "Hello."})
    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert _queued(redis) == 0
    assert api.get("/jobs").json()["jobs"] == []


def test_it_counts_as_the_engine_will(api: httpx.Client) -> None:
    """Characters, the pieces that they are cut into, seconds of speech; a provider without GPU costs none."""
    short, long = (api.post(WHERE, json={"text": text}).json() for text in (SENTENCE, SENTENCE * 20))
    assert (short["characters"], short["chunks"]) == (len(SENTENCE), 1)
    assert long["chunks"] == 4
    assert long["speech_seconds"] == pytest.approx(20 * short["speech_seconds"], rel=0.1)
    assert (short["host"], short["gpu"], short["gpu_seconds"], short["gpu_seconds_from"]) == (
        "emulator",
        False,
        0,
        "nothing",
    )
    assert (short["eta_seconds"], short["cached"], short["waiting"]) == (None, False, None)


def test_what_cannot_be_done_is_refused_alike(api: httpx.Client) -> None:
    """And what would be done with a warning carries the warning."""
    assert api.post(WHERE, json={"text": ""}).json()["code"] == "text_empty"
    assert api.post(WHERE, json={"text": "Hello \N{PILE OF POO}"}).json()["warnings"]


def test_a_misspelt_dry_run_spends_nothing(api: httpx.Client, redis: Redis) -> None:
    """Ignored in silence, it would have started a run."""
    answer = api.post("/synthesize?dryrun=true", json={"text": "Hello."})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")
    assert _queued(redis) == 0


def test_a_gpus_seconds_are_the_usual_ones_until_a_run_has_told(
    place: Place, redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Before the first word a run costs as much as a minute and a half; the estimate says where it is from."""
    folder = tmp_path_factory.mktemp("gpu")
    body = {"text": SENTENCE, "provider": "qwen"}
    with serving(folder, **place.settings, emulator_runs_gpu_providers=True) as api:
        usual = api.post(WHERE, json=body).json()
    assert usual["gpu_seconds_from"] == "assumption"
    assert usual["gpu_seconds"] > 95
    run = {"pushing": 1.0, "installing": 20.0, "synthesizing": 30.0, "downloading": 1.0}
    lane = f"{usual['provider']}:{usual['model']}:{usual['host']}"
    eta.learn(redis, lane, run, speech_seconds=10, billed=60)
    with serving(folder, **place.settings, emulator_runs_gpu_providers=True) as api:
        told = api.post(WHERE, json=body).json()
    assert told["gpu_seconds_from"] == "runs"
    assert told["gpu_seconds"] == pytest.approx(30 + 3 * told["speech_seconds"], rel=0.05)
    assert told["eta_seconds"] > 0
