"""POST /batches and what becomes of it, with a real API process and a workshop in place of workers."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse
from redis import Redis

from app.shared import keys
from tests.app.api_process import serving
from tests.app.conftest import MAX_WAITING_JOBS, Place
from tests.app.workshop import Workshop
from tests.notebooks.local_run import NOTEBOOKS
from tests.tone import tone

TEXTS = [{"text": f"Number {number}."} for number in range(3)]


@pytest.fixture(scope="module")
def _keeping(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("keeping"), **{**place.settings, "cache_max_megabytes": 10}) as api:
        yield api


@pytest.fixture
def keeping(_keeping: httpx.Client, redis: Redis) -> httpx.Client:
    """A service that keeps what it has spoken."""
    assert redis.dbsize() == 0
    return _keeping


def post(api: httpx.Client, items: list[Any], headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    answer = api.post("/batches", json={"items": items, **fields}, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/batches/{answer.json()['id']}"
    batch: dict[str, Any] = answer.json()
    return batch


def look(api: httpx.Client, batch: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/batches/{batch['id']}").json()
    return found


def finish(workshop: Workshop, batch: dict[str, Any], seconds: float = 0.5) -> None:
    for job in batch["jobs"]:
        workshop.start(job["id"])
        workshop.succeed(job["id"], tone(seconds))


def test_the_list_of_jobs_has_a_batchs_in_order(api: httpx.Client) -> None:
    """The last item first, as of what was sent one by one, however many of them a millisecond has."""
    batch = post(api, [{"text": f"Number {number}."} for number in range(50)])
    listed = [job["id"] for job in api.get("/jobs", params={"limit": 50}).json()["jobs"]]
    assert listed == [job["id"] for job in reversed(batch["jobs"])]


def test_each_item_becomes_a_job_that_knows_its_batch(api: httpx.Client) -> None:
    """In the order of the items; what an item says counts in place of the defaults."""
    items = [{"text": "One."}, {"text": "Two.", "metadata": {"page": 2}, "priority": "high"}]
    batch = post(api, items, defaults={"metadata": {"page": 0}, "seed": 7}, name="A book", metadata={"isbn": "1"})
    jobs = [api.get(job["url"]).json() for job in batch["jobs"]]
    assert [job["index"] for job in batch["jobs"]] == [0, 1]
    assert [(job["characters"], job["metadata"], job["seed"], job["priority"]) for job in jobs] == [
        (4, {"page": 0}, 7, "normal"),
        (4, {"page": 2}, 7, "high"),
    ]
    assert {job["batch"] for job in jobs} == {batch["id"]}
    assert (batch["status"], batch["total"], batch["characters"], batch["progress"]) == ("queued", 2, 8, 0)
    assert (batch["name"], batch["metadata"]) == ("A book", {"isbn": "1"})
    listed = api.get("/batches").json()["batches"]
    assert listed == [{name: value for name, value in batch.items() if name not in {"jobs", "eta_seconds"}}]


def test_what_is_wrong_is_listed_by_item_and_nothing_is_accepted(api: httpx.Client, redis: Redis) -> None:
    """Every item is looked at, and every wrong field of one that is no request."""
    items: list[Any] = [
        {"text": "Fine."},
        {"text": ""},
        {"text": 5, "spead": 2},
        {"text": "x", "voice": "nobody"},
        "a text",
        {"text": "half \ud83c"},
        {"text": "x", "voice": "voice-1a209c63c5e6fa21168ba"},
    ]
    answer = api.post(
        "/batches", content=json.dumps({"items": items}).encode(), headers={"Content-Type": "application/json"}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (422, "batch_invalid", "items.1.text")
    assert [(one["index"], one["field"], one["code"]) for one in problem["errors"]] == [
        (1, "text", "text_empty"),
        (2, "text", "wrong_type"),
        (2, "spead", "unknown_field"),
        (3, "voice", "unknown_voice"),
        (4, "body", "wrong_type"),
        (5, "text", "invalid_unicode"),
        (6, "voice", "unknown_voice"),
    ]
    assert all(one["detail"] for one in problem["errors"])
    assert redis.keys("kavox:job*") == []


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"items": []}, "invalid_value", "items"),
        ({"items": [{"text": "x"}] * 1001}, "invalid_value", "items"),
        ({"items": [{"text": "x"}], "defaults": {"text": "y"}}, "unknown_field", "defaults.text"),
        ({"items": [{"text": "x"}], "defaults": {"seed": "7"}}, "wrong_type", "defaults.seed"),
        ({"items": [{"text": "x"}], "name": ""}, "invalid_value", "name"),
        ({"items": [{"text": "x"}], "metadata": {"x": "y" * 20_000}}, "metadata_too_large", "metadata"),
        ({"text": "x"}, "missing_field", "items"),
        ([], "wrong_type", "body"),
    ],
)
def test_what_cannot_be_a_batch_is_refused(api: httpx.Client, body: Any, code: str, field: str) -> None:
    """By the names that single requests have for it."""
    problem = api.post("/batches", json=body).json()
    assert (problem["status"], problem["code"], problem["field"]) == (422, code, field)


@pytest.mark.slow
def test_a_thousand_of_the_longest_texts_are_one_batch(place: Place, redis: Redis, tmp_path: Path) -> None:
    """Twenty million characters; others are served meanwhile, and nothing of them is to vanish later."""
    text = "All work and no play makes Jack a dull boy. " * 460
    with serving(tmp_path, **place.settings | {"notebooks_dir": NOTEBOOKS}) as api:
        items = [{"text": f"{number} {text}"[:20_000]} for number in range(1000)]

        async def send() -> tuple[httpx.Response, int]:
            served = 0
            async with httpx.AsyncClient(base_url=str(api.base_url), timeout=120) as client:
                sending = asyncio.create_task(client.post("/batches", json={"items": items}))
                while not sending.done():
                    assert (await client.get("/jobs")).status_code == 200
                    served += 1
                return await sending, served

        answer, served = asyncio.run(send())
        assert answer.status_code == 202, answer.text[:500]
        assert (answer.json()["total"], answer.json()["characters"]) == (1000, 20_000_000)
        assert served > 5
        assert redis.zcard(keys.QUEUED) == 1000
        last = api.get(answer.json()["jobs"][999]["url"]).json()
        assert (last["characters"], last["position"]) == (20_000, 999)
    assert {redis.ttl(keys.JOB + job["id"]) for job in answer.json()["jobs"]} == {-1}


def test_there_is_room_for_all_or_for_none(api: httpx.Client, redis: Redis) -> None:
    """A batch that fills the queue is taken, and the next one leaves nothing behind."""
    post(api, [{"text": "Hello."}] * (MAX_WAITING_JOBS - 1))
    answer = api.post("/batches", json={"items": TEXTS})
    assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
    assert "retry-after" in answer.headers
    assert len(api.get("/batches").json()["batches"]) == 1
    assert len(redis.keys("kavox:job:*")) == redis.zcard(keys.QUEUED) == MAX_WAITING_JOBS - 1


def test_a_batch_is_sent_once_under_its_key(api: httpx.Client, redis: Redis) -> None:
    """Also by twenty clients at once; another batch under the key is refused, and so is a single text."""
    header = {"Idempotency-Key": str(uuid.uuid4())}

    async def ask() -> set[str]:
        async with httpx.AsyncClient(base_url=str(api.base_url), timeout=30) as client:
            asked = (client.post("/batches", json={"items": TEXTS}, headers=header) for _ in range(20))
            return {answer.json()["id"] for answer in await asyncio.gather(*asked)}

    [batch_id] = asyncio.run(ask())
    assert post(api, TEXTS, header)["id"] == batch_id
    assert len(api.get("/jobs").json()["jobs"]) == len(redis.keys("kavox:job:*")) == len(TEXTS)
    others = [
        api.post("/batches", json={"items": TEXTS[:2]}, headers=header),
        api.post("/synthesize", json=TEXTS[0], headers=header),
    ]
    assert [answer.json()["code"] for answer in others] == ["idempotency_key_reused"] * 2


def test_its_counts_follow_its_jobs_to_the_end(api: httpx.Client, workshop: Workshop) -> None:
    """Whoever waits for it is told when the last job has ended, and not before."""
    batch = post(api, TEXTS)
    first, second, third = (job["id"] for job in batch["jobs"])
    workshop.start(first)
    assert (look(api, batch)["status"], look(api, batch)["counts"]["running"]) == ("running", 1)
    workshop.succeed(first, tone(0.5))
    workshop.start(second)
    workshop.fail(second)
    seen = api.get(f"/batches/{batch['id']}", headers={"Prefer": "wait=1"})
    assert (seen.json()["finished_at"], seen.headers["preference-applied"]) == (None, "wait=1")
    with ThreadPoolExecutor(1) as waiting:
        waited = waiting.submit(api.get, f"/batches/{batch['id']}", headers={"Prefer": "wait=30"})
        workshop.start(third)
        workshop.succeed(third, tone(0.5))
        ended = waited.result().json()
    assert (ended["status"], ended["progress"], ended["duration_seconds"]) == ("failed", 1, 3.0)
    assert ended["finished_at"]
    assert [(job["status"], job["error"]) for job in ended["jobs"]] == [
        ("succeeded", None),
        ("failed", "audio_rejected"),
        ("succeeded", None),
    ]


def test_its_events_end_with_it(api: httpx.Client, workshop: Workshop) -> None:
    """Each tells the counts; a client that has seen the end is told that nothing more comes."""
    batch = post(api, TEXTS)
    path = f"/batches/{batch['id']}/events"
    events: list[dict[str, Any]] = []
    with connect_sse(api, "GET", path) as source:
        for event in source.iter_sse():
            events.append({**event.json(), "event": event.event, "id": event.id})
            if len(events) == 1:
                finish(workshop, batch)
    assert (events[0]["event"], events[0]["counts"]["queued"]) == ("progress", 3)
    assert (events[-1]["event"], events[-1]["status"]) == ("end", "succeeded")
    assert api.get(path, headers={"Last-Event-ID": events[-1]["id"]}).status_code == 204


def test_a_canceled_batch_keeps_what_was_spoken(api: httpx.Client, workshop: Workshop) -> None:
    """What waits is cancelled at once, what runs when its host has confirmed it; an ended batch is a conflict."""
    batch = post(api, TEXTS)
    done, running, _ = (job["id"] for job in batch["jobs"])
    workshop.start(done)
    workshop.succeed(done, tone(0.5))
    workshop.start(running)
    answer = api.delete(f"/batches/{batch['id']}")
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert [job["status"] for job in answer.json()["jobs"]] == ["succeeded", "canceling", "canceled"]
    workshop.end_cancel(running)
    assert look(api, batch)["status"] == "canceled"
    again = api.delete(f"/batches/{batch['id']}")
    assert (again.status_code, again.json()["code"]) == (409, "batch_ended")
    waiting = api.delete(f"/batches/{post(api, TEXTS)['id']}")
    assert (waiting.status_code, waiting.json()["status"]) == (200, "canceled")


def test_batches_are_listed_page_by_page(api: httpx.Client) -> None:
    """The newest first; a cursor of jobs is none of batches."""
    made = [post(api, TEXTS[:1])["id"] for _ in range(3)]
    first = api.get("/batches?limit=2").json()
    second = api.get("/batches", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert sorted(batch["id"] for page in (first, second) for batch in page["batches"]) == sorted(made)
    assert (len(first["batches"]), second["next_cursor"]) == (2, None)
    jobs = api.get("/jobs?limit=1").json()["next_cursor"]
    assert api.get("/batches", params={"cursor": jobs}).json()["code"] == "invalid_cursor"


def test_equal_items_share_one_synthesis(keeping: httpx.Client) -> None:
    """Also with what is being spoken for a job outside the batch; each is a job of its own."""
    outside = keeping.post("/synthesize", json={"text": "Number 0."}).json()
    batch = post(keeping, [*TEXTS, *TEXTS])
    waiting = [keeping.get(job["url"]).json()["waiting"] for job in batch["jobs"]]
    shared = "shared_synthesis"
    assert [one and one["code"] for one in waiting] == [shared, None, None, shared, shared, shared]
    assert outside["id"] in waiting[0]["detail"]
    assert keeping.get("/cache").json()["shared"] == 4
