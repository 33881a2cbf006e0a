"""What a request may say of webhooks, and what is told: the API, and a worker's couriers alone."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
import pytest
from redis import Redis

from app.ports import LOOPBACK
from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.deliveries import TELL_LUA
from app.shared.settings import Settings
from tests.app.conftest import Place
from tests.app.workshop import Workshop
from tests.receiver import Receiver, receiving
from tests.service import wait_for
from tests.tone import tone
from tests.workers.jobs import do_all
from workers.couriers import Couriers
from workers.retention import Retention
from workers.run_logs import RunLogs
from workers.stopping import Stopping


def settings_of(place: Place, **more: Any) -> Settings:
    return Settings(_env_file=None, **{**place.settings, "webhook_retry_seconds": 1e-6, **more})


@contextmanager
def delivering(redis: Redis, place: Place) -> Iterator[None]:
    """Meanwhile a worker's couriers deliver; hours between attempts are moments."""
    stopping = Stopping()
    thread = threading.Thread(target=Couriers(redis, settings_of(place), stopping).run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.request()
        thread.join(timeout=10)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def accepted(api: httpx.Client, webhook: object) -> str:
    return str(api.post("/synthesize", json={"text": "Hello.", "webhook": webhook}).raise_for_status().json()["id"])


def deliveries(api: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/jobs/{job_id}/deliveries").raise_for_status().json()["deliveries"]
    return found


def test_a_url_alone_is_told_of_the_ends(api: httpx.Client, workshop: Workshop) -> None:
    """The job shows what it will do, and nothing has happened yet."""
    url = f"http://{LOOPBACK}:9/"
    job_id = accepted(api, url)
    assert api.get(f"/jobs/{job_id}").json()["webhook"] == {"url": url, "events": ["succeeded", "failed", "canceled"]}
    workshop.start(job_id)
    assert deliveries(api, job_id) == []
    workshop.fail(job_id)
    (delivery,) = deliveries(api, job_id)
    assert (delivery["type"], delivery["status"], delivery["attempts"]) == ("job.failed", "pending", [])
    assert delivery["next_attempt_at"]


@pytest.mark.parametrize(
    ("webhook", "field", "code"),
    [
        (7, "webhook", "wrong_type"),
        ([], "webhook", "wrong_type"),
        ({}, "webhook.url", "missing_field"),
        ({"url": 7}, "webhook.url", "wrong_type"),
        ({"url": "https://example.org/", "secret": "x"}, "webhook.secret", "unknown_field"),
        ({"url": "https://example.org/", "events": []}, "webhook.events", "invalid_value"),
        ({"url": "https://example.org/", "events": ["ended"]}, "webhook.events.0", "invalid_value"),
        ({"url": "https://example.org/" + "a" * 2000}, "webhook.url", "invalid_value"),
        ("http://example.org/", "webhook.url", "webhook_url_refused"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(api: httpx.Client, webhook: object, field: str, code: str) -> None:
    """Naming the field."""
    answer = api.post("/synthesize", json={"text": "Hello.", "webhook": webhook})
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (422, field, code)


def test_a_start_is_told_as_it_was(
    api: httpx.Client, workshop: Workshop, redis: Redis, place: Place, receiver: Receiver
) -> None:
    """Also when the job has ended before the receiver hears of it; an end has all that the job shows."""
    job_id = accepted(api, {"url": receiver.url, "events": ["started", "succeeded"]})
    workshop.start(job_id)
    workshop.succeed(job_id, tone(0.2))
    with delivering(redis, place):
        receiver.wait_for(2)
    secret = api.get("/webhooks/secret").json()["secret"]
    told = {message.type: message.verified(secret)["data"] for message in receiver.messages}
    job = api.get(f"/jobs/{job_id}").json()
    start = told["job.started"]
    assert told["job.succeeded"] == job
    assert (start["status"], start["phase"], start["started_at"]) == ("running", "synthesizing", job["started_at"])
    assert start["run"] == job["run"]
    assert (start["finished_at"], start["audio"]) == (None, None)


def test_a_receiver_that_never_takes_it_is_given_up(
    api: httpx.Client, workshop: Workshop, redis: Redis, place: Place, receiver: Receiver
) -> None:
    """After nine attempts, which are all shown; what was counted is in the metrics. A redelivery has nine again."""
    receiver.status = 500
    job_id = accepted(api, receiver.url)
    workshop.fail(job_id)
    assert "kavox_webhooks_pending 1.0" in api.get("/metrics").text
    with delivering(redis, place):
        wait_for("the last attempt", lambda: deliveries(api, job_id)[0]["status"] == "failed")
        (delivery,) = deliveries(api, job_id)
        assert [attempt["error"]["code"] for attempt in delivery["attempts"]] == ["webhook_rejected"] * 9
        assert delivery["next_attempt_at"] is None
        metrics = api.get("/metrics").text
        assert 'kavox_webhook_attempts_total{status="failed"} 1.0' in metrics
        assert 'kavox_webhook_attempts_total{status="pending"} 8.0' in metrics
        assert "kavox_webhooks_pending 0.0" in metrics
        again = api.post(f"/jobs/{job_id}/deliveries/{delivery['id']}")
        assert (again.status_code, again.headers["retry-after"]) == (202, "1")
        wait_for("as many again", lambda: len(deliveries(api, job_id)[0]["attempts"]) == 18)
    assert len({message.id for message in receiver.messages}) == 1


@pytest.mark.parametrize("delivery_id", ["x", "{job}-2", "{job}", "19abcdef0120123456789-1"])
def test_a_delivery_that_is_not_there_cannot_be_repeated(
    api: httpx.Client, workshop: Workshop, delivery_id: str
) -> None:
    """Nor one of another job."""
    job_id = accepted(api, f"http://{LOOPBACK}:9/")
    workshop.fail(job_id)
    answer = api.post(f"/jobs/{job_id}/deliveries/{delivery_id.format(job=job_id)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "delivery_not_found")


def test_progress_is_told_once_in_a_while(
    api: httpx.Client, workshop: Workshop, redis: Redis, place: Place, receiver: Receiver
) -> None:
    """As it is when it is sent; what waits to be told when the job ends never is, and one record is kept at most."""
    job_id = accepted(api, {"url": receiver.url, "events": ["progress", "canceled", "failed"]})
    workshop.start(job_id)
    come_further = redis.register_script(
        f"{TELL_LUA} tell_progress(ARGV[1], redis.call('HGET', '{keys.JOB}' .. ARGV[1], 'webhook'))"
    )
    for progress in (0.3, 0.4):
        workshop.report(job_id, "synthesizing", progress)
        come_further(args=[job_id])
    with delivering(redis, place):
        (message,) = receiver.wait_for(1)
        assert json.loads(message.body)["data"]["progress"] == 0.4
        wait_for("the record", lambda: deliveries(api, job_id)[0]["status"] == "delivered")
        for _ in range(2):
            come_further(args=[job_id])
        (waiting,) = deliveries(api, job_id)
        assert (waiting["id"], waiting["status"]) == (f"{job_id}-2", "pending")
        workshop.fail(job_id)
        receiver.wait_for(2)
        assert [message.type for message in receiver.messages] == ["job.progress", "job.failed"]
        assert [delivery["type"] for delivery in deliveries(api, job_id)] == ["job.failed"]


def test_nothing_is_left_of_a_job_that_is_no_longer_kept(
    api: httpx.Client, workshop: Workshop, redis: Redis, place: Place
) -> None:
    """Its deliveries go with its record, also those that were never made."""
    job_id = accepted(api, f"http://{LOOPBACK}:9/")
    workshop.fail(job_id)
    assert cast("list[str]", redis.keys(f"{keys.DELIVERY}*"))
    settings = settings_of(place, result_ttl_hours=1e-9)
    audio = AudioStore.open(None, place.data_dir / "audio")
    do_all(Retention(redis, audio, RunLogs(redis, audio), settings).steps())
    assert api.get(f"/jobs/{job_id}/deliveries").status_code == 404
    for name in (keys.DELIVERY, keys.DELIVERIES, keys.DUE_DELIVERIES, keys.SENDING_DELIVERIES):
        assert redis.keys(f"{name}*") == []


def test_a_wish_that_cannot_be_read_stops_no_job(api: httpx.Client, workshop: Workshop, redis: Redis) -> None:
    """Whatever has become of its record, the job ends once."""
    job_id = accepted(api, f"http://{LOOPBACK}:9/")
    redis.hset(keys.JOB + job_id, "webhook", '{"url": 7}')
    workshop.start(job_id)
    workshop.fail(job_id)
    assert redis.hget(keys.JOB + job_id, "status") == "failed"
    assert redis.zscore(keys.FINISHED, job_id)
    assert redis.hget(keys.JOB + job_id, "lane") is None
