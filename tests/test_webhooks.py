"""Receivers hear what happens to jobs: all of it, signed, whatever they or the service go through.

Most jobs here wait for an hour for others to share their run, and are cancelled, which is told at once.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from app.ports import LOOPBACK
from tests.receiver import Receiver, hang, receiving
from tests.service import Service, wait_for

pytestmark = pytest.mark.slow

TIMEOUT_SECONDS = 1
SETTINGS = {
    "KAVOX_WEBHOOK_ALLOWED_HOSTS": LOOPBACK,
    "KAVOX_WEBHOOK_RETRY_SECONDS": 0.1,
    "KAVOX_WEBHOOK_TIMEOUT_SECONDS": TIMEOUT_SECONDS,
    "KAVOX_BATCH_WINDOW_SECONDS": 3600,
}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("hooked"), SETTINGS)
    service.start()
    yield service
    service.end_everything()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def cancelled(service: Service, receiver: Receiver) -> str:
    """The id of a job that was cancelled, and whose receiver is to hear of that."""
    job = service.submit("Never mind.", webhook=receiver.url)
    assert service.http.delete(job["urls"]["self"]).json()["status"] == "canceled"
    return str(job["id"])


def secret_of(service: Service) -> str:
    return str(service.http.get("/webhooks/secret").raise_for_status().json()["secret"])


def delivery_of(service: Service, job_id: str) -> dict[str, Any]:
    """The only delivery of the job."""
    (found,) = service.http.get(f"/jobs/{job_id}/deliveries").raise_for_status().json()["deliveries"]
    return dict(found)


def tried(service: Service, job_id: str, times: int = 1) -> dict[str, Any]:
    """The job's delivery, once it was tried so often."""

    def found() -> dict[str, Any] | None:
        delivery = delivery_of(service, job_id)
        return delivery if len(delivery["attempts"]) >= times else None

    return wait_for(f"{times} attempts", found)


def again(service: Service, delivery: dict[str, Any]) -> None:
    answer = service.http.post(f"/jobs/{delivery['id'].partition('-')[0]}/deliveries/{delivery['id']}")
    assert answer.status_code == 202


def test_a_message_shows_the_job_and_is_signed(hooked: Service, receiver: Receiver) -> None:
    """As the library of Standard Webhooks reads it; the text is not in it, and another secret does not fit."""
    job_id = cancelled(hooked, receiver)
    (message,) = receiver.wait_for(1)
    said = message.verified(secret_of(hooked))
    job = hooked.job(job_id)
    assert said == {"type": "job.canceled", "timestamp": said["timestamp"], "data": job}
    assert abs(datetime.fromisoformat(said["timestamp"]) - datetime.fromisoformat(job["finished_at"])) < timedelta(60)
    assert b"Never mind." not in message.body
    assert message.path == "/hook?from=kavox"
    delivery = tried(hooked, job_id)
    assert (delivery["id"], delivery["status"]) == (message.id, "delivered")
    assert [attempt["status"] for attempt in delivery["attempts"]] == [200]
    with pytest.raises(WebhookVerificationError):
        message.verified("whsec_" + "A" * 44)


def test_a_batch_tells_once_when_all_of_its_jobs_have_ended(hooked: Service, receiver: Receiver) -> None:
    """With what is known of it as a whole; its deliveries are listed with it, and sent again when that is wanted."""
    request = {"items": [{"text": "One."}, {"text": "Two."}], "name": "Both", "webhook": receiver.url}
    batch = hooked.http.post("/batches", json=request).raise_for_status().json()
    first, second = batch["jobs"]
    assert hooked.http.delete(first["url"]).is_success
    listed = f"{batch['urls']['self']}/deliveries"
    assert hooked.http.get(listed).json() == {"deliveries": []}
    assert hooked.http.delete(second["url"]).is_success
    (message,) = receiver.wait_for(1)
    said = message.verified(secret_of(hooked))
    assert said["type"] == "batch.completed"
    assert (said["data"]["id"], said["data"]["status"], said["data"]["counts"]["canceled"]) == (
        batch["id"],
        "canceled",
        2,
    )
    seen = hooked.http.get(batch["urls"]["self"]).json()
    assert said["data"] == {name: seen[name] for name in said["data"]}
    wait_for("the delivery", lambda: hooked.http.get(listed).json()["deliveries"][0]["status"] == "delivered")
    assert hooked.http.post(f"{listed}/{message.id}").status_code == 202
    assert {one.id for one in receiver.wait_for(2)} == {message.id}
    assert len(hooked.http.get(listed).json()["deliveries"]) == 1


def test_a_receiver_that_fails_is_tried_again(hooked: Service, receiver: Receiver) -> None:
    """Under the same id, until it takes the message."""
    receiver.status = 500
    job_id = cancelled(hooked, receiver)
    receiver.wait_for(2)
    receiver.status = 204
    wait_for("success", lambda: delivery_of(hooked, job_id)["status"] == "delivered")
    delivery = delivery_of(hooked, job_id)
    statuses = [attempt["status"] for attempt in delivery["attempts"]]
    assert statuses[:2] == [500, 500]
    assert statuses[-1] == 204
    assert {message.id for message in receiver.messages} == {delivery["id"]}
    assert len({message.body for message in receiver.messages}) == 1
    failed, *_, taken = delivery["attempts"]
    assert failed["error"]["code"] == "webhook_rejected"
    assert taken["error"] is None
    assert (delivery["status"], delivery["next_attempt_at"]) == ("delivered", None)


def test_gone_ends_it_for_jobs_that_were_accepted_before(hooked: Service, receiver: Receiver) -> None:
    """410 is not asked again; who names the URL afterwards, or wants a delivery again, means it."""
    before = hooked.submit("Accepted before.", webhook=receiver.url)
    receiver.status = 410
    delivery = tried(hooked, cancelled(hooked, receiver))
    assert (delivery["status"], delivery["attempts"][0]["error"]["code"]) == ("failed", "webhook_gone")
    receiver.status = 200
    hooked.http.delete(before["urls"]["self"]).raise_for_status()
    unsent = tried(hooked, before["id"])
    assert (unsent["status"], unsent["attempts"][0]["status"]) == ("failed", None)
    assert unsent["attempts"][0]["error"]["code"] == "webhook_gone"
    assert len(receiver.messages) == 1
    assert tried(hooked, cancelled(hooked, receiver))["status"] == "delivered"
    again(hooked, unsent)
    assert tried(hooked, before["id"], 2)["status"] == "delivered"
    assert [message.id for message in receiver.messages][2:] == [unsent["id"]]


@pytest.mark.parametrize(("status", "as_date"), [(429, False), (503, True)])
def test_a_host_that_asks_for_a_pause_gets_it(
    hooked: Service, receiver: Receiver, status: int, *, as_date: bool
) -> None:
    """Also from other messages to it; a redelivery ends the pause."""
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=3700), usegmt=True)
    receiver.status, receiver.headers = status, {"Retry-After": until if as_date else "3600"}
    first = tried(hooked, cancelled(hooked, receiver))
    assert first["status"] == "pending"
    asked, due = first["attempts"][0]["at"], first["next_attempt_at"]
    assert datetime.fromisoformat(due) - datetime.fromisoformat(asked) >= timedelta(seconds=3600)
    second = cancelled(hooked, receiver)
    with receiving() as other:
        assert tried(hooked, cancelled(hooked, other))["status"] == "delivered"
    assert delivery_of(hooked, second)["attempts"] == []
    receiver.status = 200
    again(hooked, first)
    receiver.wait_for(3)
    assert {message.id.partition("-")[0] for message in receiver.messages[1:]} >= {second}


def test_a_receiver_that_hangs_keeps_no_other_waiting(hooked: Service, receiver: Receiver) -> None:
    """With more messages than there are couriers."""
    receiver.before = hang
    stuck = [cancelled(hooked, receiver) for _ in range(20)]
    with receiving() as other:
        assert tried(hooked, cancelled(hooked, other))["status"] == "delivered"
    untried = [job_id for job_id in stuck if not delivery_of(hooked, job_id)["attempts"]]
    assert untried, "the receiver that hangs was asked first"
    assert tried(hooked, stuck[0])["attempts"][0]["error"]["code"] == "webhook_timeout"


def test_a_redirect_is_not_followed(hooked: Service, receiver: Receiver) -> None:
    """Wherever it leads, the attempt has failed."""
    with receiving() as secret_place:
        receiver.status, receiver.headers = 307, {"Location": secret_place.url}
        delivery = tried(hooked, cancelled(hooked, receiver), 2)
        assert delivery["attempts"][0]["error"]["code"] == "webhook_redirected"
        assert secret_place.messages == []


def test_an_answer_without_end_is_not_read_to_it(hooked: Service, receiver: Receiver) -> None:
    """The status is enough."""
    receiver.endless = True
    assert tried(hooked, cancelled(hooked, receiver))["status"] == "delivered"


def test_the_secret_before_signs_for_a_day(hooked: Service, receiver: Receiver) -> None:
    """After a rotation a receiver that knows either accepts."""
    before = secret_of(hooked)
    rotated = hooked.http.post("/webhooks/secret/rotate").raise_for_status().json()
    assert rotated["secret"] != before
    assert len(rotated["replaced_until"]) == 1
    assert secret_of(hooked) == rotated["secret"]
    cancelled(hooked, receiver)
    (message,) = receiver.wait_for(1)
    assert message.verified(before) == message.verified(rotated["secret"])
    assert len(message.headers["Webhook-Signature"].split()) == 2


def test_a_worker_that_dies_after_sending_sends_again(hooked: Service, receiver: Receiver) -> None:
    """`kill -9` between the request and its being written down: the next worker sends the same message."""
    receiver.before = lambda _: hooked.kill("workers.main") if len(receiver.messages) == 1 else None
    job_id = cancelled(hooked, receiver)
    first, second = receiver.wait_for(2)[:2]
    assert (first.id, first.body) == (second.id, second.body)
    assert tried(hooked, job_id)["status"] == "delivered"


def test_no_message_is_lost_when_everything_is_killed(hooked: Service, receiver: Receiver) -> None:
    """What was not delivered before is delivered after a new start, under the same id."""
    receiver.status = 500
    job_id = cancelled(hooked, receiver)
    receiver.wait_for(1)
    hooked.kill("serve", "workers.main", "app.main:create_app", "valkey-server", "workers.emulator")
    heard = len(receiver.messages)
    receiver.status = 200
    hooked.start()
    receiver.wait_for(heard + 1)
    assert {message.id for message in receiver.messages} == {f"{job_id}-1"}
    wait_for("the record", lambda: delivery_of(hooked, job_id)["status"] == "delivered")


def test_a_job_is_told_of_from_its_start_to_its_end(service: Service) -> None:
    """By the service that all tests share: its run, how far it is, its audio."""
    with receiving() as receiver:
        job = service.submit(
            "Told as it is spoken.",
            webhook={"url": receiver.url, "events": ["started", "progress", "succeeded", "failed"]},
        )
        done = service.finished(job["id"])
        events = {"job.started", "job.progress", "job.succeeded"}
        wait_for("all events", lambda: {message.type for message in receiver.messages} >= events)
        told = {message.type: message.verified(secret_of(service))["data"] for message in receiver.messages}
    assert set(told) == events
    assert (told["job.started"]["status"], told["job.started"]["run"]["id"]) == ("running", done["run"]["id"])
    assert told["job.progress"]["status"] == "running"
    assert told["job.succeeded"] == done
