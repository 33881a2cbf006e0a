"""The supervisor, with small real processes."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from app.child import ChildProcess
from app.shared.errors import ConfigurationError, Permanent
from app.supervisor import StopRequests, Supervisor
from tests.stack.processes import lives, wait_until

SLEEP = "import time; time.sleep(60)"
NOTE_START = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()} {time.time()}\\n'); "
NOTE_END = """
import signal, sys, time
def end(*_):
    time.sleep(0.2)
    open(sys.argv[1], "a").write(sys.argv[2] + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
open(sys.argv[1], "a").write("up\\n")
time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def child(
    name: str, code: str, *arguments: object, stop_seconds: float = 5, output: Path | None = None
) -> ChildProcess:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return ChildProcess(name, command, os.environ, stop_seconds=stop_seconds, output=output)


def keep_until(supervisor: Supervisor, path: Path, lines: int) -> list[str]:
    """Supervises until a file has so many lines, and gives them."""

    def enough() -> bool:
        supervisor.check()
        return path.exists() and len(path.read_text().splitlines()) >= lines

    wait_until(enough, f"{lines} lines in {path.name}")
    return path.read_text().splitlines()


def test_a_killed_child_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    """A child that dies is replaced."""
    starts = tmp_path / "starts"
    supervisor.start(child("sleeper", NOTE_START + SLEEP, starts))
    first = int(keep_until(supervisor, starts, 1)[0].split()[0])

    os.kill(first, signal.SIGKILL)

    second = int(keep_until(supervisor, starts, 2)[1].split()[0])
    assert lives(second)
    assert not lives(first)


def test_the_pauses_between_starts_grow(supervisor: Supervisor, tmp_path: Path) -> None:
    """A child that always ends is started after 0.2, 0.4, 0.8 … seconds."""
    starts = tmp_path / "starts"
    supervisor.start(child("hasty", NOTE_START, starts))

    times = [float(line.split()[1]) for line in keep_until(supervisor, starts, 4)]

    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap >= least for gap, least in zip(gaps, (0.2, 0.4, 0.8), strict=True))


def test_exit_code_78_stops_the_stack(supervisor: Supervisor) -> None:
    """A child that says that its settings are wrong is not started again."""
    supervisor.start(child("worker", "raise SystemExit(78)"))

    with pytest.raises(ConfigurationError, match="worker cannot run with these settings"):
        wait_until(supervisor.check, "the supervisor gives up")


def test_a_child_that_keeps_ending_is_given_up(supervisor: Supervisor) -> None:
    """With a limit, the failure that exceeds it ends the stack and names the exit code."""
    supervisor.give_up_after = 1
    supervisor.start(child("worker", "raise SystemExit(3)"))

    with pytest.raises(Permanent, match=r"worker keeps ending \(exit code 3\)"):
        wait_until(supervisor.check, "the supervisor gives up")


def test_groups_stop_in_reverse_order(supervisor: Supervisor, tmp_path: Path) -> None:
    """A group is asked to end only when the ones started after it have ended."""
    ends = tmp_path / "ends"
    supervisor.start(child("server", NOTE_END, ends, "server"))
    supervisor.start(child("worker-1", NOTE_END, ends, "worker"), child("worker-2", NOTE_END, ends, "worker"))
    supervisor.start(child("api", NOTE_END, ends, "api"))
    keep_until(supervisor, ends, 4)

    supervisor.stop()

    assert ends.read_text().splitlines()[4:] == ["api", "worker", "worker", "server"]


def test_a_deaf_child_is_killed_after_its_time(supervisor: Supervisor, tmp_path: Path) -> None:
    """A child that ignores SIGTERM does not hold up the shutdown for longer than its own time."""
    deaf = child("deaf", DEAF, stop_seconds=0.3, output=tmp_path / "deaf")
    supervisor.start(deaf)
    keep_until(supervisor, tmp_path / "deaf", 1)

    supervisor.stop()

    assert deaf.exit_code() == -signal.SIGKILL


def test_a_second_request_to_stop_hurries(supervisor: Supervisor, tmp_path: Path) -> None:
    """After a second Ctrl-C nothing is waited for."""
    deaf = child("deaf", DEAF, stop_seconds=60, output=tmp_path / "deaf")
    supervisor.start(deaf)
    keep_until(supervisor, tmp_path / "deaf", 1)
    with StopRequests() as requests:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(requests.hurry, "both signals are counted")
        began = time.monotonic()

        supervisor.stop(requests.hurry)

    assert deaf.exit_code() == -signal.SIGKILL
    assert time.monotonic() - began < 5


def test_a_child_is_out_of_reach_of_ctrl_c(supervisor: Supervisor) -> None:
    """A child has a session of its own, so the terminal's Ctrl-C does not go to it."""
    supervisor.start(child("sleeper", SLEEP))
    living = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    (started,) = [process for process in living if SLEEP in process.cmdline()]

    assert os.getsid(started.pid) == started.pid


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_children_end_with_their_parent(tmp_path: Path) -> None:
    """After kill -9 of the supervising process its child gets SIGTERM."""
    starts = tmp_path / "starts"
    parent_code = f"""
import os, sys, time
from app.child import ChildProcess
command = [sys.executable, "-c", {NOTE_START + SLEEP!r}, {str(starts)!r}]
ChildProcess("sleeper", command, os.environ, stop_seconds=1).start()
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent_code]) as parent:
        wait_until(lambda: starts.exists() and starts.read_text().endswith("\n"), "the child starts")
        pid = int(starts.read_text().split()[0])

        parent.kill()

        wait_until(lambda: not lives(pid), "the child ends")
