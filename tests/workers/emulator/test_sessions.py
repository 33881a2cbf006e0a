"""What happens to a notebook once it is pushed: its environment, log, outputs, clock, bill and end."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from kagglesdk.kernels.types.kernels_api_service import (
    ApiCancelKernelSessionRequest,
    ApiGetKernelSessionLogsStreamRequest,
)
from requests import HTTPError

from .driver import OWNER, Emulator, notebook, wait_for

QUICK = notebook("1 + 1")


def running_file(emulator: Emulator, name: str) -> Path:
    """A file that a running notebook has written; the only place to see it before the end is the disk."""
    return wait_for(lambda: next(emulator.data_dir.glob(f"sessions/*/working/{name}"), None))


def test_a_notebook_sees_no_credentials(
    start_emulator: Callable[..., Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook runs in its own folder, with Kaggle's variables and none of this machine's secrets."""
    for name in ("KAGGLE_KEY", "KAVOX_API_KEY", "HF_TOKEN", "DB_PASSWORD", "PIP_SECRET"):
        monkeypatch.setenv(name, "hunter2")
    emulator = start_emulator()
    emulator.push("environment", notebook(
        "import json, os, pathlib",
        "pathlib.Path('env.json').write_text(json.dumps(dict(os.environ) | {'CWD': os.getcwd()}))",
        "assert os.listdir(os.environ['KAGGLE_INPUT_DIR']) == []",
    ))  # fmt: skip
    assert emulator.wait_until_ended("environment") == "COMPLETE"

    seen = json.loads(emulator.output_text("environment", "env.json"))

    assert "hunter2" not in seen.values()
    assert seen["KAGGLE_KERNEL_RUN_TYPE"] == "Batch"
    assert seen["HOME"].startswith(str(emulator.data_dir))
    assert seen["CWD"] == str(emulator.data_dir / "sessions/1/working")


def test_a_session_is_executed_over_no_port_of_the_machine(emulator: Emulator) -> None:
    """No other program can take a session's port and so end it, as none can on Kaggle."""
    emulator.push("portless", notebook(
        "import pathlib, psutil",
        "pathlib.Path('ports').write_text(str(psutil.Process().parent().net_connections('tcp')))",
    ))  # fmt: skip
    assert emulator.wait_until_ended("portless") == "COMPLETE"
    assert emulator.output_text("portless", "ports") == "[]"


def test_the_log_is_followed_while_it_is_written(emulator: Emulator) -> None:
    """The stream shows a line before the session ends, and then its end; output lists are empty until then."""
    emulator.push("live-log", notebook(
        "import os, time; open('live', 'w').close()",
        "print('é first\\nsecond')",
        "while not os.path.exists('go'): time.sleep(0.05)",
        "print('last')",
    ))  # fmt: skip
    url = f"{emulator.url}/api/v1/kernels/logs/stream/{OWNER}/live-log"
    lines = []
    with httpx.stream("GET", url, auth=(OWNER, "sesame"), timeout=60) as response:
        assert response.headers["content-type"] == "text/event-stream"
        for line in response.iter_lines():
            lines.append(line)
            if '"second\\n"' in line:
                assert emulator.status("live-log") == "RUNNING"
                listed = emulator.outputs("live-log")
                assert (listed.files, listed.log) == ([], "")
                running_file(emulator, "live").with_name("go").touch()
    assert lines[-2] == "data: END_OF_LOG"
    assert json.loads(lines[-4].removeprefix("data: "))["data"] == "last\n"
    assert emulator.status("live-log") == "COMPLETE"
    finished = httpx.get(url, auth=(OWNER, "sesame"))
    assert finished.headers["content-type"] == "application/json"
    assert [record["data"] for record in finished.json()][-3:] == ["é first\n", "second\n", "last\n"]
    request = ApiGetKernelSessionLogsStreamRequest()
    request.user_name, request.kernel_slug, request.version_label = OWNER, "live-log", "v1"
    assert emulator.client().get_kernel_session_logs_stream(request).json() == finished.json()


def test_a_failed_notebook_keeps_its_outputs_and_its_traceback(emulator: Emulator) -> None:
    """An exception in a cell ends the session as ERROR, with the traceback in the log and the files kept."""
    emulator.push("failing-run", notebook("open('kept.txt', 'w').write('kept')", "raise ValueError('no voice')"))
    assert emulator.wait_until_ended("failing-run") == "ERROR"
    log = "".join(record["data"] for record in emulator.log("failing-run"))
    assert 'Exception encountered at "In [2]"' in log
    assert "ValueError: no voice" in log
    assert emulator.output_text("failing-run", "kept.txt") == "kept"


def test_a_notebook_without_kernelspec_fails_when_it_runs(emulator: Emulator) -> None:
    """A missing kernelspec is accepted by the push and ends as papermill's error."""
    assert emulator.push("specless-run", notebook("1", kernelspec=False)).version_number == 1
    assert emulator.wait_until_ended("specless-run") == "ERROR"
    assert "No kernel name found in notebook and no override provided" in emulator.outputs("specless-run").log


def test_outputs_come_in_pages_at_addresses_that_are_signed(emulator: Emulator) -> None:
    """Pages have the size asked for and the log only once; an address works without login and not when changed."""
    emulator.push("many-files", notebook("for i in range(5): open(f'{i} ü.txt', 'w').write('x' * i)"))
    assert emulator.wait_until_ended("many-files") == "COMPLETE"

    first = emulator.outputs("many-files", page_size=4)
    second = emulator.outputs("many-files", page_size=4, page_token=first.next_page_token)

    names = [file.file_name for file in first.files + second.files]
    assert names == [*(f"{i} ü.txt" for i in range(5)), "__notebook__.ipynb"]
    assert (bool(first.log), second.log, second.next_page_token) == (True, "", "")
    url = first.files[3].url
    fetched = httpx.get(url)
    assert (fetched.text, fetched.headers["content-length"]) == ("xxx", "3")
    assert "last-modified" in fetched.headers
    assert emulator.stats()["downloads"]["3 ü.txt"] == 1
    for changed in (url.replace("Expires=", "Expires=9"), url.replace("/3%20", "/4%20"), url.split("?")[0]):
        refused = httpx.get(changed)
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/xml")


def test_deleting_a_kernel_ends_its_session(emulator: Emulator) -> None:
    """A deleted kernel's processes are gone, and it is not found any more."""
    emulator.push("short-lived", notebook(
        "import os, subprocess; child = subprocess.Popen(['sleep', '600'])",
        "print(os.getpid(), file=open('doomed', 'w')); print(child.pid, file=open('child', 'w'))",
        "import time; time.sleep(600)",
    ))  # fmt: skip
    pids = [int(wait_for(running_file(emulator, name).read_text)) for name in ("child", "doomed")]

    emulator.delete("short-lived")

    wait_for(lambda: not any(map(psutil.pid_exists, pids)))
    with pytest.raises(HTTPError) as caught:
        emulator.status("short-lived")
    assert caught.value.response.status_code == 404


def test_a_session_cannot_be_cancelled(emulator: Emulator) -> None:
    """CancelKernelSession is denied, as users report."""
    request = ApiCancelKernelSessionRequest()
    request.kernel_session_id = 1
    with pytest.raises(HTTPError) as caught:
        emulator.client().cancel_kernel_session(request)
    assert caught.value.response.json()["error"]["message"] == "Permission 'kernelSessions.cancel' was denied"


def test_a_session_ends_at_its_timeout(emulator: Emulator) -> None:
    """A session that reaches its sessionTimeoutSeconds is stopped as CANCEL_ACKNOWLEDGED."""
    emulator.push("endless-run", notebook("import time; time.sleep(600)"), session_timeout_seconds=1)
    assert emulator.wait_until_ended("endless-run") == "CANCEL_ACKNOWLEDGED"


def test_a_killed_runner_is_an_error(emulator: Emulator) -> None:
    """A session whose process is killed ends as ERROR, not never."""
    emulator.push(
        "murdered-run",
        notebook("import os, time; print(os.getpid(), file=open('victim', 'w'))", "time.sleep(600)"),
    )
    kernel = psutil.Process(int(wait_for(running_file(emulator, "victim").read_text)))
    runner = kernel.parent()
    assert runner is not None
    runner.kill()
    assert emulator.wait_until_ended("murdered-run") == "ERROR"
    wait_for(lambda: not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE)


def test_old_versions_run_on_beside_new_ones(emulator: Emulator) -> None:
    """A second push of a kernel leaves the first version's session as it is."""
    emulator.push("twice-pushed", notebook("import time; time.sleep(600)"))
    emulator.push("twice-pushed", QUICK)
    assert emulator.wait_until_ended("twice-pushed") == "COMPLETE"
    assert emulator.status("twice-pushed", "v1") == "RUNNING"
    emulator.delete("twice-pushed")


def test_the_clock_model_sets_length_and_bill(start_emulator: Callable[..., Emulator]) -> None:
    """A session waits in its queue, then lasts boot, scaled work and tail, and a GPU is billed for just that."""
    emulator = start_emulator(queue_seconds=0.5, boot_seconds=1, tail_seconds=0.5, time_scale=2)
    begun = time.monotonic()
    emulator.push("timed-run", notebook("import time; time.sleep(1)"), enable_gpu=True)
    assert emulator.status("timed-run") == "QUEUED"
    wait_for(lambda: emulator.status("timed-run") == "RUNNING")
    assert emulator.client().get_accelerator_quota_statistics().gpu_quota.time_reserved.total_seconds() > 0
    assert emulator.wait_until_ended("timed-run") == "COMPLETE"

    assert time.monotonic() - begun >= 0.5 + 1 + 2 + 0.5
    billed = emulator.stats()["billed_seconds"]
    assert 3.5 <= billed < 3.5 + 2
    quota = emulator.client().get_accelerator_quota_statistics().gpu_quota
    assert quota.time_used.total_seconds() == pytest.approx(billed, abs=0.01)
    assert quota.time_reserved.total_seconds() == 0
    assert quota.total_time_allowed.total_seconds() == 30 * 3600


def test_a_notebook_may_state_its_work(start_emulator: Callable[..., Emulator]) -> None:
    """A benchmark's notebook states how many seconds its work counts as, and the session lasts and costs that."""
    emulator = start_emulator()
    emulator.push("stated-run", notebook("""print('::emulator {"work_seconds": 2.5}')"""), enable_gpu=True)
    assert emulator.wait_until_ended("stated-run") == "COMPLETE"
    assert emulator.stats()["billed_seconds"] == 2.5


def test_a_notebook_outlives_a_killed_emulator(start_emulator: Callable[..., Emulator]) -> None:
    """After kill -9 in the middle of a run a restarted emulator finds kernels, counters and the running notebook."""
    emulator = start_emulator()
    emulator.push("sturdy-run", notebook(
        "open('begun', 'w').close()", "import os, time", "while not os.path.exists('go'): time.sleep(0.05)",
        "open('done.txt', 'w').write('done')",
    ), enable_gpu=True)  # fmt: skip
    begun = running_file(emulator, "begun")

    emulator.stop(signal.SIGKILL)
    emulator.start()

    assert emulator.status("sturdy-run") == "RUNNING"
    begun.with_name("go").touch()
    assert emulator.wait_until_ended("sturdy-run") == "COMPLETE"
    assert emulator.output_text("sturdy-run", "done.txt") == "done"
    stats = emulator.stats()
    assert (stats["pushes_accepted"], stats["calls"]["SaveKernel"]) == (1, 1)
    assert stats["kernels"] == [{"slug": "sturdy-run", "versions": 1, "status": "COMPLETE"}]
    assert stats["billed_seconds"] > 0


def test_the_emulator_stops_promptly(start_emulator: Callable[..., Emulator]) -> None:
    """SIGTERM ends the emulator within three seconds, an open log stream notwithstanding."""
    emulator = start_emulator()
    emulator.push("endless-log", notebook("import time; time.sleep(600)"))
    url = f"{emulator.url}/v1/kernels/logs/stream/{OWNER}/endless-log"
    with httpx.stream("GET", url, auth=(OWNER, "sesame"), timeout=30):
        begun = time.monotonic()
        emulator.stop()
        assert time.monotonic() - begun < 3
    emulator.start()
    emulator.delete("endless-log")
    assert not list((emulator.data_dir / "sessions").iterdir())
