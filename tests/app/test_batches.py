"""POST /batches and what becomes of it, with a real API process and a workshop in place of workers."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from redis import Redis

from app.shared import keys
from tests.app.api_process import serving
from tests.app.conftest import Place
from tests.app.workshop import Workshop
from tests.tone import tone

TEXTS = [{"text": f"Number {number}."} for number in range(3)]


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


def test_a_thousand_of_the_longest_texts_are_one_batch(place: Place, redis: Redis, tmp_path: Any) -> None:
    """Twenty million characters; others are served meanwhile, and the batch is told without reading them again."""
    text = "All work and no play makes Jack a dull boy. " * 454
    with serving(tmp_path, **place.settings | {"max_text_chars": 20_000}) as api:
        items = [{"text": f"{number} {text}"[:20_000]} for number in range(1000)]

        async def send() -> tuple[httpx.Response, list[float]]:
            took: list[float] = []
            async with httpx.AsyncClient(base_url=str(api.base_url), timeout=120) as client:
                sending = asyncio.create_task(client.post("/batches", json={"items": items}))
                while not sending.done():
                    assert (await client.get("/jobs")).status_code == 200
                    took.append(0)
                return await sending, took

        answer, served = asyncio.run(send())
        assert answer.status_code == 202, answer.text
        assert answer.json()["total"] == 1000
        assert answer.json()["characters"] == 20_000_000
        assert len(served) > 5
        assert redis.zcard(keys.QUEUED) == 1000
        last = api.get(answer.json()["jobs"][999]["url"]).json()
        assert (last["characters"], last["position"]) == (20_000, 999)
    assert {redis.ttl(keys.JOB + job["id"]) for job in answer.json()["jobs"]} == {-1}
