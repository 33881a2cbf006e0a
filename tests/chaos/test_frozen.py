"""A worker is frozen for longer than its lease and wakes up when another has its run: it changes nothing any more."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import psutil
import pytest

from app.shared import keys
from tests.chaos.ledgers import redis_of
from tests.mimic import write_mimic
from tests.puppets import Puppets
from tests.service import Service, wait_for

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("frozen")
    settings = {"KAVOX_NOTEBOOKS_DIR": write_mimic(folder / "notebooks"), "KAVOX_WORKERS": 2}
    service = Service(folder / "data", settings)
    service.start()
    yield service
    service.end_everything()


@pytest.fixture
def puppets(service: Service) -> Iterator[Puppets]:
    puppets = Puppets(service)
    puppets.script(times=None)
    yield puppets
    puppets.clear()
    puppets.close()


@contextmanager
def frozen_owner(service: Service, job_id: str) -> Iterator[psutil.Process]:
    """The worker that carries the job is stopped until another one has taken its run over and ended the job."""
    with redis_of(service.data_dir) as redis:
        lease = f"{keys.RUN}{service.job(job_id)['run']['id']}:lease"
        # <host name>-<process>-<start>:<run>
        owner = psutil.Process(int(cast("str", redis.get(lease)).rsplit("-", 2)[1]))
    owner.send_signal(signal.SIGSTOP)
    try:
        yield owner
    finally:
        owner.send_signal(signal.SIGCONT)


def still_works(service: Service, puppets: Puppets, owner: psutil.Process) -> bool:
    """Whether the worker that woke up lives, and the service speaks on."""
    with puppets.finishing_all():
        jobs = [service.submit(f"And now {number}.") for number in range(2)]
        return owner.is_running() and all(service.finished(job["id"])["status"] == "succeeded" for job in jobs)


def test_it_does_not_push_beside_its_successor(service: Service, puppets: Puppets) -> None:
    """Frozen while its push hangs, which never arrives: the other worker makes sure of that and pushes, once."""
    before = puppets.pushes()
    service.inject_fault(call="SaveKernel", kind="timeout_before", seconds=5)
    job = service.submit("Held up.")
    wait_for("the push", lambda: service.job(job["id"])["phase"] == "pushing" and puppets.calls("SaveKernel") > before)
    with frozen_owner(service, job["id"]) as owner:
        puppets.kernel_of(job["id"])
    puppets.finish(puppets.kernel_of(job["id"]))
    assert service.finished(job["id"])["status"] == "succeeded"
    assert puppets.pushes() - before == 1
    assert still_works(service, puppets, owner)


def test_it_does_not_publish_over_its_successor(service: Service, puppets: Puppets) -> None:
    """Frozen between two files: the other worker publishes them all, and what it has published stays."""
    jobs = [service.submit(f"Number {number}.")["id"] for number in range(6)]
    kernel, seen = puppets.kernel_of(jobs[0]), puppets.downloads()
    service.inject_fault(call="Download", kind="delay", seconds=0.3, times=6)
    puppets.finish(kernel)
    wait_for("a second file", lambda: puppets.downloads() >= seen + 2)
    with frozen_owner(service, jobs[-1]) as owner:
        published = [service.finished(job_id) for job_id in jobs]
        service.clear_faults()
    assert {job["status"] for job in published} == {"succeeded"}
    assert still_works(service, puppets, owner)
    assert [service.job(job_id) for job_id in jobs] == published
    stored = [path.name for path in (service.data_dir / "audio").iterdir()]
    assert all(sum(name.startswith(job_id) for name in stored) == 1 for job_id in jobs)
