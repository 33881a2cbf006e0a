"""POST /synthesize: what an accepted request becomes."""

import re
from datetime import datetime

import httpx
from redis import Redis
from rq import Queue

from app.shared import keys
from app.shared.job_queue import QUEUE, RUN_LANE
from app.shared.redis_client import connect_for_queue
from tests.app.conftest import Place

REQUEST = {
    "text": "Hello, world.",
    "provider": "hibari",
    "model": "large",
    "voice": "grand",
    "language": "en",
    "format": "wav",
    "gpu": None,
    "seed": 7,
    "priority": "high",
    "options": {"speed": 1.25, "mood": "glad"},
    "metadata": {"page": 12, "tags": ["a", None], "ü": {"deep": 1.5}},
}


def test_a_text_alone_becomes_a_job(api: httpx.Client) -> None:
    """Only the text is required; the answer is the whole job, with everything that was chosen for it."""
    answer = api.post("/synthesize", json={"text": "Hello, world."})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) >= 1
    created_at = job.pop("created_at")
    assert created_at.endswith("Z")
    assert datetime.fromisoformat(created_at).tzinfo
    assert job == {
        "id": job["id"],
        "status": "queued",
        "phase": "waiting",
        "provider": "hibari",
        "model": "small",
        "voice": "heart",
        "language": "en",
        "format": "wav",
        "gpu": False,
        "seed": None,
        "options": {},
        "priority": "normal",
        "characters": 13,
        "started_at": None,
        "finished_at": None,
        "progress": 0.0,
        "position": 0,
        "eta_seconds": None,
        "warnings": [],
        "waiting": None,
        "error": None,
        "audio": None,
        "batch": None,
        "webhook": None,
        "cached": False,
        "run": None,
        "gpu_seconds": 0.0,
        "metadata": {},
        "urls": {
            "self": f"/jobs/{job['id']}",
            **{part: f"/jobs/{job['id']}/{part}" for part in ("audio", "logs", "captions")},
        },
    }


def test_everything_asked_for_is_kept(api: httpx.Client) -> None:
    """A job shows each wish as it was made, also when it is read again."""
    job = api.post("/synthesize", json=REQUEST).json()
    wishes = {name: wish for name, wish in REQUEST.items() if name not in {"text", "gpu"}}
    assert {name: job[name] for name in wishes} == wishes
    assert api.get(job["urls"]["self"]).json() == job


def test_an_accepted_job_is_in_its_lane(api: httpx.Client, redis: Redis, place: Place) -> None:
    """When the 202 arrives, record, lane and one wake-up for both jobs are in Redis."""
    first = api.post("/synthesize", json={"text": "One."}).json()["id"]
    second = api.post("/synthesize", json={"text": "Two."}).json()["id"]
    assert redis.zrange(f"{keys.LANE}hibari:small:emulator", 0, -1) == [first, second]
    assert redis.hget(keys.JOB + first, "status") == "queued"
    (wake_up,) = Queue(QUEUE, connection=connect_for_queue(place.redis_url)).jobs
    assert (wake_up.func_name, wake_up.args) == (RUN_LANE, ("hibari:small:emulator",))


def test_a_wake_up_that_fails_loses_no_job(api: httpx.Client, redis: Redis) -> None:
    """A job in its lane is accepted, even if no worker can be woken: their sweep finds it."""
    redis.set(f"rq:queue:{QUEUE}", "not a queue")
    answer = api.post("/synthesize", json={"text": "One."})
    assert answer.status_code == 202
    assert redis.zrange(f"{keys.LANE}hibari:small:emulator", 0, -1) == [answer.json()["id"]]


def test_a_position_counts_the_jobs_before_it(api: httpx.Client) -> None:
    """A later job waits behind an earlier one, and one of high priority before both."""
    for priority, position in [("normal", 0), ("normal", 1), ("high", 0)]:
        job = api.post("/synthesize", json={"text": "Hello.", "priority": priority}).json()
        assert job["position"] == position


def test_characters_that_are_not_heard_are_named(api: httpx.Client) -> None:
    """Partly speakable text is accepted, with a warning that names up to five characters; punctuation is no loss."""
    job = api.post("/synthesize", json={"text": "Hello 😀, world! — “ok” مرحبا 中"}).json()
    assert job["warnings"] == ["hibari cannot speak these characters in English: 😀 م ر ح ب and 2 more."]


def test_a_request_id_is_given_back(api: httpx.Client) -> None:
    """A sane request id is kept, another one is replaced; every answer has one."""
    assert api.get("/healthz", headers={"X-Request-ID": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    made = api.get("/nowhere", headers={"X-Request-ID": "a b"}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert api.get("/healthz").headers["x-content-type-options"] == "nosniff"


def test_an_address_that_is_not_served_is_a_problem(api: httpx.Client) -> None:
    """Unknown addresses and methods are problems too, and a 405 says what is allowed."""
    answer = api.get("/nowhere/ä")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["instance"] == "/nowhere/%C3%A4"
    answer = api.put("/synthesize")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
