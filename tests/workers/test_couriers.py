"""Couriers carry one caller's messages whatever another caller's receivers do."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from redis import Redis

from app.ports import LOOPBACK
from app.shared import keys
from app.shared.job import Job
from app.shared.receivers import AllowedHosts
from app.shared.settings import Settings
from app.shared.webhook import subscription
from tests.receiver import Message, Receiver, receiving
from tests.service import wait_for
from tests.workers.jobs import cancel, make_job, submit
from workers.couriers import Couriers
from workers.outbox import MOST_PER_CALLER
from workers.stopping import Stopping


@contextmanager
def couriers(redis: Redis) -> Iterator[None]:
    """Those of one worker, whose receivers may take their time."""
    settings = Settings(_env_file=None, webhook_allowed_hosts=LOOPBACK, webhook_timeout_seconds=60)
    stopping = Stopping()
    thread = threading.Thread(target=Couriers(redis, settings, stopping).run)
    thread.start()
    try:
        yield
    finally:
        stopping.request()
        thread.join()


def cancelled(redis_url: str, caller: str, receiver: Receiver) -> Job:
    """A job whose end the receiver is to hear of."""
    wish = subscription(receiver.url, ["canceled"], caller, AllowedHosts.parse(LOOPBACK))
    job = replace(make_job(caller=caller), webhook=wish)
    submit(redis_url, job)
    cancel(redis_url, job)
    return job


def test_a_callers_hosts_that_hang_keep_no_other_caller_waiting(redis: Redis, redis_url: str) -> None:
    """More of them than would fill a worker; all of its messages arrive once they hang no longer."""
    released = threading.Event()

    def hang(_: Message) -> None:
        released.wait(60)

    with ExitStack() as stack:
        hanging = [stack.enter_context(receiving(before=hang)) for _ in range(5)]
        other = stack.enter_context(receiving())
        jobs = [cancelled(redis_url, "anne", receiver) for receiver in hanging for _ in range(5)]
        stack.enter_context(couriers(redis))
        stack.callback(released.set)

        def arrived() -> list[Message]:
            return [message for receiver in hanging for message in receiver.messages]

        wait_for("a caller's share", lambda: len(arrived()) >= MOST_PER_CALLER)
        cancelled(redis_url, "ben", other)
        (message,) = other.wait_for(1)
        assert message.type == "job.canceled"
        assert len(arrived()) == MOST_PER_CALLER
        assert redis.zcard(f"{keys.SENDING_FOR_CALLER}anne") == MOST_PER_CALLER
        released.set()
        wait_for("all of hers", lambda: len(arrived()) >= len(jobs))
        assert {message.id.partition("-")[0] for message in arrived()} == {job.id for job in jobs}
        wait_for("nothing to be under way", lambda: not redis.exists(f"{keys.SENDING_FOR_CALLER}anne"))
