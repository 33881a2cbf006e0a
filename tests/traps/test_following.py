"""Traps 2, 8-11, 17 and 19: what a status and a log can tell wrongly of a session."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.shared.errors import HostUnreachable
from tests.hosts import ended, make_push
from tests.workers.emulator.driver import Emulator, wait_for
from workers.kaggle import KaggleHost
from workers.kernel import Kernel, KernelState
from workers.log_follower import LogFollower

# Characters of several bytes, and those that a client which guesses the charset takes for line ends.
LINES = [
    "\u0445\u043e\u0440 \u2585 \x85 \u2028 first",
    *(f"::kavox {json.dumps({'seq': n, 'phase': 'synthesizing', 'done': n, 'of': 3})}" for n in (1, 2, 3)),
]


def calls(emulator: Emulator, method: str) -> int:
    count: int = emulator.stats()["calls"].get(method, 0)
    return count


def test_trap_02_a_status_is_that_of_the_version_that_was_pushed(emulator: Emulator, kaggle: KaggleHost) -> None:
    """After a second push Kaggle may still answer for the first version, unless the version is named."""
    push = make_push()
    emulator.script("COMPLETE", outputs={"a.txt": "old"})
    old = kaggle.push(push)
    emulator.script("RUNNING")
    new = kaggle.push(push)
    for call in ("GetKernelSessionStatus", "ListKernelSessionOutput"):
        emulator.fault(call=call, kind="stale_version", probability=1)
    assert emulator.status(push.slug) == "COMPLETE"
    assert (kaggle.status(new).state, kaggle.status(old).state) == (KernelState.RUNNING, KernelState.COMPLETE)
    assert kaggle.log(new) == []


@pytest.mark.parametrize("outputs", [{"result.json": "{}"}, {}])
def test_trap_08_a_cancelled_session_may_have_its_outputs(
    emulator: Emulator, kaggle: KaggleHost, tmp_path: Path, outputs: dict[str, str]
) -> None:
    """While Kaggle still saves it runs; then it is over as cancelled, and what was saved can be fetched."""
    emulator.script(("CANCEL_REQUESTED", 0.3), "CANCEL_ACKNOWLEDGED", outputs=outputs)
    kernel = kaggle.push(make_push())
    assert kaggle.status(kernel).state is KernelState.RUNNING
    assert ended(kaggle, kernel) is KernelState.CANCELED
    assert kaggle.download(kernel, {"result.json"}, tmp_path) == set(outputs)


def test_trap_09_a_complete_session_may_have_no_result(emulator: Emulator, kaggle: KaggleHost, tmp_path: Path) -> None:
    """Whoever asks for result.json learns that it is not there, and nothing else is taken in its place."""
    emulator.script("COMPLETE", outputs={"other.wav": "RIFF"})
    kernel = kaggle.push(make_push())
    assert kaggle.status(kernel).state is KernelState.COMPLETE
    assert kaggle.download(kernel, {"result.json"}, tmp_path) == set()
    assert (list(tmp_path.iterdir()), kaggle.log(kernel)) == ([], [])


def test_trap_10_a_failed_session_may_have_outputs_and_says_why_in_its_log(
    emulator: Emulator, kaggle: KaggleHost, tmp_path: Path
) -> None:
    """The failure message is empty, the log is not, and files that were written before are there."""
    log = ["0.00s - Debugger warning", "Traceback (most recent call last):", "ValueError: no voice", "[NbConvertApp] 1"]
    emulator.script("ERROR", outputs={"result.json": "{}"}, log=log)
    kernel = kaggle.push(make_push())
    status = kaggle.status(kernel)
    assert (status.state, status.message) == (KernelState.ERROR, "")
    assert "ValueError: no voice\n" in [record.text for record in kaggle.log(kernel)]
    assert kaggle.download(kernel, {"result.json"}, tmp_path) == {"result.json"}


def test_trap_11_a_session_that_never_ends_is_ended_by_deleting_it(emulator: Emulator, kaggle: KaggleHost) -> None:
    """It outlasts the time-out of its push, and is billed for until its kernel is gone."""
    emulator.script("RUNNING", log=["[NbConvertApp] crashed"])
    push = make_push(gpu=True, timeout_seconds=1)
    kernel = kaggle.push(push)
    wait_for(lambda: emulator.stats()["billed_seconds"] > 1.2)
    assert kaggle.status(kernel).state is KernelState.RUNNING
    kaggle.delete(push.slug)
    billed = emulator.stats()["billed_seconds"]
    assert kaggle.status(kernel).state is KernelState.UNREADABLE
    assert emulator.stats()["billed_seconds"] == billed


def progress(kaggle: KaggleHost, kernel: Kernel) -> tuple[int, int]:
    """What a follower knows once it has heard the last line."""
    with LogFollower(kaggle, kernel) as follower:
        follower.start()

        def last() -> tuple[int, int] | None:
            news = follower.news()
            return (news.done, news.of) if news is not None and news.done == news.of else None

        return wait_for(last)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut_stream", "events": 2},
        {"kind": "end_stream", "events": 1},
        {"kind": "doubled_stream"},
        {"kind": "http_error", "code": 404},
        {"kind": "timeout_before", "seconds": 0.1},
        {"kind": "html_200"},
    ],
)
def test_trap_17_a_log_stream_is_followed_whatever_becomes_of_it(
    emulator: Emulator, kaggle: KaggleHost, fault: dict[str, Any]
) -> None:
    """Cut, ended too early, doubled or not there yet: the follower comes back, and the session is not over."""
    emulator.script("RUNNING", log=LINES)
    kernel = kaggle.push(make_push())
    emulator.fault(call="GetKernelSessionLogsStream", times=2, **fault)
    assert progress(kaggle, kernel) == (3, 3)
    assert kaggle.status(kernel).state is KernelState.RUNNING


def test_trap_17_every_character_of_a_stream_arrives(emulator: Emulator, kaggle: KaggleHost) -> None:
    """Live and afterwards the same records come, although the stream names no charset."""
    emulator.script("RUNNING", log=LINES)
    push = make_push()
    kernel = kaggle.push(push)
    live = []
    for record in kaggle.stream_log(kernel):
        live.append(record)
        if len(live) == len(LINES):
            emulator.lead_on(push.slug, "COMPLETE", log=LINES)
    assert [record.text for record in live] == [line + "\n" for line in LINES]
    assert ended(kaggle, kernel) is KernelState.COMPLETE
    assert list(kaggle.stream_log(kernel)) == kaggle.log(kernel) == live


def test_trap_17_a_stream_that_stays_open_holds_nobody(emulator: Emulator, hasty: KaggleHost) -> None:
    """After what was logged nothing comes, not even an end: the reader gives up in its own time."""
    emulator.script("RUNNING", log=LINES)
    kernel = hasty.push(make_push())
    emulator.fault(call="GetKernelSessionLogsStream", kind="endless_stream")
    stream = hasty.stream_log(kernel)
    assert [next(stream).text for _ in LINES] == [line + "\n" for line in LINES]
    with pytest.raises(HostUnreachable):
        next(stream)


def test_trap_17_a_stream_that_only_repeats_itself_is_no_news(emulator: Emulator, kaggle: KaggleHost) -> None:
    """Its end is announced once, however often the same log is read again."""
    emulator.script("COMPLETE", log=LINES)
    kernel = kaggle.push(make_push())
    with LogFollower(kaggle, kernel) as follower:
        before = calls(emulator, "GetKernelSessionLogsStream")
        follower.start()
        assert follower.ended.wait(30)
        follower.ended.clear()
        wait_for(lambda: calls(emulator, "GetKernelSessionLogsStream") >= before + 4)
        assert not follower.ended.is_set()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "alter", "fields": {"status": "PAUSED"}},
        {"kind": "alter", "fields": {"status": None}},
        {"kind": "alter", "fields": {"status": 7}},
        {"kind": "pretend", "fields": {"code": 500, "message": "an error with status 200"}},
        {"kind": "html_200"},
        {"kind": "cut"},
        {"kind": "short"},
        {"kind": "lost_response"},
    ],
)
def test_trap_19_an_answer_that_makes_no_sense_is_never_an_end(
    emulator: Emulator, kaggle: KaggleHost, fault: dict[str, Any]
) -> None:
    """A value that nobody knows, a page, half an answer: the next look tells."""
    emulator.script("COMPLETE")
    kernel = kaggle.push(make_push())
    emulator.fault(call="GetKernelSessionStatus", **fault)
    assert kaggle.status(kernel).state is KernelState.UNREADABLE
    assert kaggle.status(kernel).state is KernelState.COMPLETE


@pytest.mark.parametrize("fields", [{"files": None}, {"files": [{"url": 1, "fileName": ["a"]}]}, {"files": "a.txt"}])
def test_trap_19_a_list_that_is_none_says_nothing(
    emulator: Emulator, kaggle: KaggleHost, tmp_path: Path, fields: dict[str, Any]
) -> None:
    """Neither outputs nor kernels are taken to be missing because their list cannot be read."""
    emulator.script("COMPLETE", outputs={"a.txt": "text"})
    push = make_push()
    kernel = kaggle.push(push)
    emulator.fault(call="ListKernelSessionOutput", kind="alter", fields=fields)
    with pytest.raises(HostUnreachable):
        kaggle.download(kernel, {"a.txt"}, tmp_path)
    assert kaggle.download(kernel, {"a.txt"}, tmp_path) == {"a.txt"}
    emulator.fault(call="GetKernel", kind="http_error", code=403)
    emulator.fault(call="ListKernels", kind="alter", fields={"kernels": None})
    with pytest.raises(HostUnreachable):
        kaggle.find(push.slug)
