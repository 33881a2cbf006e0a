"""What the emulator can be told over /control: scripted sessions, and an account that others use too."""

import signal
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .driver import Emulator, notebook, wait_for

# Nothing executes it: these sessions are scripted.
BROKEN = notebook("raise AssertionError('this was executed')")


def scripted(emulator: Emulator, path: str, script: Any, method: str = "POST") -> httpx.Response:
    return httpx.request(method, f"{emulator.url}/control/{path}", json=script)


def test_a_scripted_session_shows_its_states_log_and_outputs(idle_emulator: Emulator) -> None:
    """A push follows the script that fits its slug, and the next push to that slug is none of its business."""
    idle_emulator.script(
        ("QUEUED", 0.2), ("RUNNING", 0.3), "ERROR", slug="scripted-*", failure_message="out of luck",
        outputs={"a.txt": "text", "b.bin": {"base64": "AAE="}, "c.json": {"json": {"d": 1}}},
        log=["first", {"stream_name": "stderr", "time": 0.1, "data": "second\n"}],
    )  # fmt: skip
    idle_emulator.push("not-by-script", BROKEN)
    idle_emulator.push("scripted-run", BROKEN, enable_gpu=True)
    seen = [idle_emulator.status("scripted-run")]
    assert (idle_emulator.outputs("scripted-run").files, idle_emulator.status("not-by-script")) == ([], "QUEUED")
    while seen[-1] in {"QUEUED", "RUNNING"}:
        seen.append(idle_emulator.status("scripted-run"))
    assert list(dict.fromkeys(seen)) == ["QUEUED", "RUNNING", "ERROR"]
    listed = idle_emulator.outputs("scripted-run", page_size=2)
    assert [file.file_name for file in listed.files] == ["a.txt", "b.bin"]
    assert httpx.get(listed.files[1].url).content == b"\x00\x01"
    assert idle_emulator.output_text("scripted-run", "c.json") == '{"d": 1}'
    assert [record["data"] for record in idle_emulator.log("scripted-run")] == ["first\n", "second\n"]
    assert idle_emulator.client().get_accelerator_quota_statistics().gpu_quota.time_used.total_seconds() == 0.3
    idle_emulator.push("scripted-run", BROKEN)
    assert idle_emulator.status("scripted-run") == "QUEUED"


def test_a_scripted_session_can_be_led_on_by_another_script(idle_emulator: Emulator) -> None:
    """Who must see the pushed notebook before the outputs can be known gives them later, until the session ends."""
    idle_emulator.script("RUNNING")
    idle_emulator.push("led-on-run", BROKEN)
    assert idle_emulator.status("led-on-run") == "RUNNING"
    source = idle_emulator.get("led-on-run").blob.source
    assert scripted(idle_emulator, "scripts/led-on-run", {"outputs": {"a.ipynb": source}}, "PUT").status_code == 200
    assert idle_emulator.status("led-on-run") == "COMPLETE"
    assert idle_emulator.output_text("led-on-run", "a.ipynb") == BROKEN
    assert scripted(idle_emulator, "scripts/led-on-run", {}, "PUT").status_code == 409
    assert scripted(idle_emulator, "scripts/never-pushed", {}, "PUT").status_code == 404


def test_everything_that_was_told_outlives_a_killed_emulator(start_emulator: Callable[..., Emulator]) -> None:
    """After kill -9 a scripted session goes on, and scripts, faults and the account's state are what they were."""
    emulator = start_emulator()
    emulator.script(("RUNNING", 0.5), "COMPLETE", outputs={"a.txt": "kept"})
    emulator.push("sturdy-script", BROKEN)
    emulator.script("RUNNING", times=None)
    emulator.fault(call="DeleteKernel", kind="pretend", fields={"errorMessage": "denied"})
    emulator.account(gpu_sessions=2, gpu_hours_used=12.5)
    told = ("faults", "scripts", "account")
    before = [httpx.get(f"{emulator.url}/control/{part}").json() for part in told]
    emulator.stop(signal.SIGKILL)
    emulator.start()
    assert [httpx.get(f"{emulator.url}/control/{part}").json() for part in told] == before
    wait_for(lambda: emulator.status("sturdy-script") == "COMPLETE")
    assert emulator.output_text("sturdy-script", "a.txt") == "kept"
    assert emulator.push("refused-push", BROKEN, enable_gpu=True).error.startswith("Maximum batch GPU session count")
    httpx.delete(f"{emulator.url}/control/account").raise_for_status()
    assert emulator.push("accepted-push", BROKEN, enable_gpu=True).error == ""


@pytest.mark.parametrize(
    ("path", "told", "complaint"),
    [
        ("scripts", [{"states": []}], "needs a state"),
        ("scripts", [{"states": [{"status": "PAUSED"}]}], "a status is one of"),
        ("scripts", [{"states": [{"status": ["RUNNING"]}]}], "a status is one of"),
        ("scripts", [{"states": [{"status": "COMPLETE", "seconds": 1}, {"status": "RUNNING"}]}], "is an end"),
        ("scripts", [{"states": [{"status": "QUEUED"}, {"status": "RUNNING"}]}], "needs seconds"),
        ("scripts", [{"outputs": {"a.wav": 7}}], "a.wav must be a text"),
        ("scripts", [{"outputs": {"a.wav": {"base64": "?"}}}], "a.wav must be a text"),
        ("scripts", [{"log": [{"time": "soon"}]}], "a record of the log"),
        ("scripts", [{"times": 0}], "a number from 1"),
        ("scripts", [{}, {"colour": "red"}], "colour"),
        ("scripts", {}, "JSON list"),
        ("account", {"gpu_sessions": -1}, "gpu_sessions must be"),
        ("account", {"gpu_sessions": 1.5}, "gpu_sessions must be"),
        ("account", {"gpu_hours_used": 30, "mount": "here"}, "mount is one of"),
        ("account", {"friends": 3}, "has no friends"),
        ("faults", [{"call": "GetKernel", "kind": "alter"}], "needs fields"),
        ("faults", [{"call": "GetKernel", "kind": "cut_stream"}], "is for GetKernelSessionLogsStream only"),
        ("faults", [{"call": "Download", "kind": "cut", "seconds": 1}], "of kind cut: seconds"),
        ("faults", [{"call": "*", "kind": "http_429", "retry_after": True}], "retry_after"),
        ("faults", [{"call": "*", "kind": "http_error", "code": 200}], "The code of an error"),
    ],
)
def test_what_makes_no_sense_is_refused(idle_emulator: Emulator, path: str, told: Any, complaint: str) -> None:
    """A wrong script, setting or fault is one clear 400, and nothing of its request is taken."""
    before = httpx.get(f"{idle_emulator.url}/control/{path}").json()
    refused = scripted(idle_emulator, path, told)
    assert (refused.status_code, complaint in refused.json()["error"]["message"]) == (400, True), refused.text
    assert httpx.get(f"{idle_emulator.url}/control/{path}").json() == before
