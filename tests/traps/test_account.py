"""Traps 18, 20-22 and 29-32: time-outs, the rate limit, the quota, and who else uses the account."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from app.shared.errors import AskedToWait, HostUnreachable, KavoxError, QuotaExhausted, SessionsTaken
from app.shared.kaggle_credentials import KaggleCredentials
from tests.hosts import ended, host_at, make_push
from tests.workers.emulator.driver import KEY, OWNER, Emulator
from workers.kaggle import KaggleHost
from workers.kaggle_quota import read_gpu_quota
from workers.kernel import Kernel, KernelState

HOUR = 3600
KERNEL = Kernel("kavox-unknown", 1, f"{OWNER}/kavox-unknown", "")

# Every call of the adapter that may raise, by the method of Kaggle's API that it needs first.
CALLS: dict[str, Callable[[KaggleHost], object]] = {
    "SaveKernel": lambda kaggle: kaggle.push(make_push()),
    "GetKernel": lambda kaggle: kaggle.find(KERNEL.slug),
    "ListKernels": lambda kaggle: kaggle.find(KERNEL.slug),
    "ListKernelSessionOutput": lambda kaggle: kaggle.log(KERNEL),
    "GetKernelSessionLogsStream": lambda kaggle: list(kaggle.stream_log(KERNEL)),
    "DeleteKernel": lambda kaggle: kaggle.delete(KERNEL.slug),
    "GetAcceleratorQuotaStatistics": lambda kaggle: read_gpu_quota(kaggle.client),
}


@pytest.mark.parametrize("fault", [{"kind": "timeout_before", "seconds": 5}, {"kind": "trickle", "seconds": 0.1}])
@pytest.mark.parametrize("call", [*CALLS, "GetKernelSessionStatus"])
def test_trap_18_no_call_waits_for_ever(
    emulator: Emulator, hasty: KaggleHost, call: str, fault: dict[str, Any]
) -> None:
    """An answer that does not come, or comes byte by byte, is given up after the adapter's own time-out."""
    if call == "GetKernelSessionLogsStream" and fault["kind"] == "trickle":
        # A stream trickles by its nature.
        return
    emulator.script("RUNNING")
    emulator.fault(call=call, **fault)
    begun = time.monotonic()
    if call == "GetKernelSessionStatus":
        assert hasty.status(hasty.push(make_push())).state is KernelState.UNREADABLE
    else:
        with pytest.raises(KavoxError):
            CALLS[call](hasty)
    assert time.monotonic() - begun < 4


def test_trap_20_the_quota_is_read_in_seconds_with_what_is_reserved(emulator: Emulator, kaggle: KaggleHost) -> None:
    """28.5 of 30 hours and a reservation leave what they leave, refreshed at the next Saturday of UTC."""
    emulator.account(gpu_hours_used=28.5, gpu_seconds_reserved=600)
    quota = read_gpu_quota(kaggle.client)
    assert (quota.used_seconds, quota.reserved_seconds, quota.allowed_seconds) == (28.5 * HOUR, 600, 30 * HOUR)
    assert quota.remaining_seconds == 1.5 * HOUR - 600
    assert (quota.refreshes_at.weekday(), quota.refreshes_at.hour, quota.refreshes_at.tzinfo) == (5, 0, UTC)
    emulator.account(gpu_hours_used=29.9)
    assert read_gpu_quota(kaggle.client).remaining_seconds == 0
    emulator.account(gpu_hours_used=30)
    with pytest.raises(QuotaExhausted):
        kaggle.push(make_push(gpu=True))


@pytest.mark.parametrize(
    "fields", [{"gpuQuota": None}, {"gpuQuota": {"timeUsed": ""}}, {"gpuQuota": {"totalTimeAllowed": None}}]
)
def test_trap_20_a_quota_that_cannot_be_read_is_not_guessed(
    emulator: Emulator, kaggle: KaggleHost, fields: dict[str, Any]
) -> None:
    """Half an answer is none."""
    emulator.fault(call="GetAcceleratorQuotaStatistics", kind="alter", fields=fields)
    with pytest.raises(HostUnreachable):
        read_gpu_quota(kaggle.client)


def test_trap_21_credentials_lying_about_are_not_used(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kaggle's client would prefer a token from the environment to the account that it was given."""
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_somebody_elses")
    emulator.script("RUNNING", times=None)
    for credentials in (KaggleCredentials(username=OWNER, key=KEY), KaggleCredentials(token=f"KGAT_{KEY}")):
        push = make_push()
        assert host_at(emulator.url, credentials).push(push).ref == f"{OWNER}/{push.slug}"


def test_trap_22_the_adapter_is_imported_without_a_word(emulator: Emulator, tmp_path: Path) -> None:
    """No login, no network, no folder, no output, no exit: `import kaggle` would do all of it."""
    before = emulator.stats()["calls"]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "KAGGLE_API_TOKEN": "KGAT_wrong",
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": emulator.url,
    }  # fmt: skip
    code = "import sys, workers.kaggle, workers.kaggle_datasets; sys.exit('kaggle' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
    assert emulator.stats()["calls"] == before


@pytest.mark.parametrize("kind", ["http_429", "http_429_legacy", "http_503_html"])
@pytest.mark.parametrize("call", CALLS)
def test_trap_29_a_rate_limit_says_how_long_it_wants_peace(
    emulator: Emulator, kaggle: KaggleHost, call: str, kind: str
) -> None:
    """Whatever the shape of the answer, the error is one to come back after, and knows when Kaggle said so."""
    emulator.fault(call=call, kind=kind, retry_after=7)
    if (call, kind) == ("SaveKernel", "http_503_html"):
        # A push may have been taken in all the same: trap 7.
        return
    with pytest.raises(AskedToWait) as caught:
        CALLS[call](kaggle)
    assert caught.value.retry_after == 7


def test_trap_29_a_status_under_the_rate_limit_is_no_end(emulator: Emulator, kaggle: KaggleHost) -> None:
    """The session goes on; only the look at it was refused."""
    emulator.script("RUNNING")
    kernel = kaggle.push(make_push())
    for kind in ("http_429", "http_429_legacy", "http_503_html", "http_500_json"):
        emulator.fault(call="GetKernelSessionStatus", kind=kind)
        assert kaggle.status(kernel).state is KernelState.UNREADABLE
    assert kaggle.status(kernel).state is KernelState.RUNNING


def test_trap_30_a_failed_session_costs_what_it_lasted(emulator: Emulator, kaggle: KaggleHost) -> None:
    """Nothing is given back for a notebook that fell over while it installed."""
    before = read_gpu_quota(kaggle.client).used_seconds
    emulator.script(("QUEUED", 0.1), ("RUNNING", 0.5), "ERROR")
    kernel = kaggle.push(make_push(gpu=True))
    assert ended(kaggle, kernel) is KernelState.ERROR
    assert read_gpu_quota(kaggle.client).used_seconds - before == pytest.approx(0.5, abs=0.01)


def test_trap_31_deleting_is_done_when_nothing_is_there(emulator: Emulator, kaggle: KaggleHost) -> None:
    """A kernel that is gone, or never was, needs no deleting; one that Kaggle keeps is not taken for gone."""
    emulator.script("RUNNING")
    push = make_push()
    kaggle.push(push)
    emulator.fault(call="DeleteKernel", kind="pretend", fields={"errorMessage": "denied"})
    with pytest.raises(HostUnreachable, match="denied"):
        kaggle.delete(push.slug)
    emulator.fault(call="DeleteKernel", kind="http_error", code=403)
    with pytest.raises(HostUnreachable):
        kaggle.delete(push.slug)
    assert kaggle.find(push.slug) is not None
    for _ in range(2):
        kaggle.delete(push.slug)
    kaggle.delete(KERNEL.slug)
    assert kaggle.find(push.slug) is None


def test_trap_32_a_person_may_hold_a_session_of_the_account(emulator: Emulator, kaggle: KaggleHost) -> None:
    """Sessions that are in no list count: the refusal is waited out, and the next push is accepted."""
    emulator.script("RUNNING", times=None)
    emulator.account(gpu_sessions=1)
    kaggle.push(make_push(gpu=True))
    waiting = make_push(gpu=True)
    with pytest.raises(SessionsTaken):
        kaggle.push(waiting)
    assert kaggle.find(waiting.slug) is None
    emulator.account(gpu_sessions=0)
    assert kaggle.push(waiting).version == 1
