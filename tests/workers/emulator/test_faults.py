"""Scripted faults, and what the emulator refuses to do at start."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import requests

from .driver import Emulator, notebook

QUICK = notebook("1 + 1")


def test_a_lost_response_is_processed_all_the_same(idle_emulator: Emulator) -> None:
    """The connection ends without an answer, but the push was accepted, once."""
    idle_emulator.fault(call="SaveKernel", kind="lost_response")
    with pytest.raises(requests.ConnectionError):
        idle_emulator.push("ambiguous-push", QUICK)
    assert idle_emulator.get("ambiguous-push").metadata.current_version_number == 1
    assert idle_emulator.push("ambiguous-push", QUICK).version_number == 2


def test_a_timed_out_call_is_never_processed(idle_emulator: Emulator) -> None:
    """A held call ends without an answer and leaves nothing behind."""
    idle_emulator.fault(call="SaveKernel", kind="timeout_before", seconds=0.2)
    with pytest.raises(requests.ConnectionError):
        idle_emulator.push("unheard-push", QUICK)
    with pytest.raises(requests.HTTPError):
        idle_emulator.get("unheard-push")


@pytest.mark.parametrize(
    ("kind", "code", "media_type"),
    [
        ("http_503_html", 503, "text/html"),
        ("http_429", 429, "application/json"),
        ("http_429_legacy", 429, "application/json"),
        ("http_500_json", 500, "application/json"),
    ],
)
def test_an_error_is_answered_as_often_as_told(idle_emulator: Emulator, kind: str, code: int, media_type: str) -> None:
    """A fault for any call hits as many calls as it says, and the next one succeeds."""
    idle_emulator.fault(call="*", kind=kind, times=2)
    for _ in range(2):
        with pytest.raises(requests.HTTPError) as caught:
            idle_emulator.listed()
        assert caught.value.response.status_code == code
        assert caught.value.response.headers["content-type"].startswith(media_type)
    assert idle_emulator.listed() is not None


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("refuse_gpu_sessions", "Maximum batch GPU session count of 2 reached."),
        ("refuse_gpu_quota", "Maximum weekly GPU quota of 30.00 hours reached."),
    ],
)
def test_a_push_is_refused_on_demand(idle_emulator: Emulator, kind: str, error: str) -> None:
    """A refusal by the account's limits can be scripted, and other calls do not use it up."""
    idle_emulator.fault(call="*", kind=kind)
    idle_emulator.listed()
    assert idle_emulator.push("refused-push", QUICK).error == error
    assert httpx.get(f"{idle_emulator.url}/control/faults").json() == []


def test_a_probable_fault_stays(idle_emulator: Emulator) -> None:
    """A fault with a probability hits again and again until it is cleared."""
    idle_emulator.fault(call="ListKernels", kind="http_500_json", probability=1.0)
    for _ in range(3):
        with pytest.raises(requests.HTTPError):
            idle_emulator.listed()
    assert len(httpx.get(f"{idle_emulator.url}/control/faults").json()) == 1


@pytest.mark.parametrize(
    "fault", [{"call": "SaveKernel"}, {"call": "*", "kind": "flood"}, {"call": 1, "kind": "http_429"}]
)
def test_a_wrong_fault_is_refused(idle_emulator: Emulator, fault: dict[str, object]) -> None:
    """A fault with a missing or an unknown part is refused, and none is added."""
    assert httpx.post(f"{idle_emulator.url}/control/faults", json=[fault]).status_code == 400
    assert httpx.get(f"{idle_emulator.url}/control/faults").json() == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--host", "0.0.0.0"], "listens on loopback only"),  # noqa: S104 to be refused
        (["--tail-seconds", "-1"], "cannot be negative"),
        (["--port", "first"], "invalid int value"),
    ],
)
def test_wrong_options_end_it_with_one_line(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    """An address that others could reach, or a negative time, is one clear line and no start."""
    command = [sys.executable, "-m", "workers.emulator", "--data-dir", str(tmp_path), "--port", "0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_data_directory_has_one_emulator(idle_emulator: Emulator) -> None:
    """A second emulator on the same directory does not start."""
    command = [sys.executable, "-m", "workers.emulator", "--data-dir", str(idle_emulator.data_dir), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == f"Another emulator uses {idle_emulator.data_dir}.\n"
