"""What is kept of a run's log, who may read which line of it, and for how long."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.errors import Gone, HostUnreachable
from app.shared.run_log import RunLog, log_name
from tests.workers.jobs import make_job, make_run
from tests.workers.logs import marker, session
from workers.kernel import Kernel, LogRecord
from workers.local import LocalHost
from workers.run_logs import RunLogs, run_log

MINE, OTHER = "19abcdef0120123456789", "19abcdef0120123456780"
RUN = make_run(make_job()).with_fields(jobs=(MINE, OTHER))


def lines(log: RunLog, job_id: str = MINE) -> list[str]:
    return [line.text for line in log.lines_for(job_id)]


def a_log(*, shared: bool) -> RunLog:
    records = session(
        ("stdout", marker(1, "installing")),
        ("stderr", f"WARNING: pip is old\nRUN = json.loads('{MINE} {OTHER}')\n"),
        ("stdout", marker(2, "loading") + marker(3, "synthesizing")),
        ("stderr", f"ValueError: cannot speak 'a diary'\nslow: {MINE}\n{MINE} was followed by {OTHER}\n"),
        ("stdout", marker(4, "synthesizing", OTHER, 1, 2)),
    )
    return run_log(RUN, records, shared=shared, fetched=True)


def test_the_only_caller_of_a_run_reads_all_of_its_log() -> None:
    """Jobs of one caller have no secrets from each other."""
    seen = lines(a_log(shared=False))
    assert "ValueError: cannot speak 'a diary'" in seen
    assert any(OTHER in text for text in seen)


def test_of_a_shared_run_a_caller_reads_what_is_everybodys_or_the_own_jobs() -> None:
    """Installing and loading are everybody's; later only what names the own job, and never what names another."""
    seen = lines(a_log(shared=True))
    assert seen == [
        marker(1, "installing").strip(),
        "WARNING: pip is old",
        marker(2, "loading").strip(),
        f"slow: {MINE}",
    ]
    assert lines(a_log(shared=True), OTHER)[-1] == marker(4, "synthesizing", OTHER, 1, 2).strip()


def test_what_stands_before_the_first_item_but_was_written_later_is_not_everybodys() -> None:
    """A host may give one stream after the other: the time decides, not the place."""
    records = [
        LogRecord("stderr", 9.0, "ValueError: a diary\n"),
        LogRecord("stdout", 1.0, marker(1, "loading")),
        LogRecord("stdout", 2.0, marker(2, "synthesizing")),
    ]
    assert lines(run_log(RUN, records, shared=True, fetched=True)) == [marker(1, "loading").strip()]
    # Without any marker it is not known how far the notebook came.
    assert lines(run_log(RUN, records[:1], shared=True, fetched=True)) == []


def test_a_long_log_keeps_its_head_and_its_tail() -> None:
    """What was left out is said in between, and the log does not pass for complete."""
    log = run_log(
        RUN, [LogRecord("stdout", 1.0, f"line {n} {'x' * 90}\n") for n in range(9000)], shared=False, fetched=True
    )
    seen = lines(log)
    assert seen[0].startswith("line 0 ")
    assert seen[-1].startswith("line 8999 ")
    assert sum("lines left out" in text for text in seen) == 1
    assert not log.complete
    assert len(log.to_bytes()) < 1_000_000


@given(st.lists(st.builds(LogRecord, st.sampled_from(["stdout", "stderr"]), st.floats(0, 9), st.text())))
def test_any_log_is_stored_and_read_the_same(records: list[LogRecord]) -> None:
    """Whatever a notebook printed survives the store."""
    log = run_log(RUN, records, shared=True, fetched=True)
    assert RunLog.from_bytes(log.to_bytes()).lines_for(MINE) == log.lines_for(MINE)
    json.loads(log.to_bytes())


@pytest.fixture
def store(tmp_path: Path) -> AudioStore:
    return AudioStore.open(None, tmp_path / "audio")


def test_a_log_is_kept_for_its_time_and_then_removed(redis: Redis, store: AudioStore, tmp_path: Path) -> None:
    """Even a host that has no log of the run leaves one that says so; the sweep removes it later."""
    logs = RunLogs(redis, store)
    assert logs.keep(RUN, LocalHost(tmp_path / "kernels")) == []
    kept = RunLog.from_bytes(store.fetch(log_name(RUN.id)))
    assert (kept.run, kept.lines) == (RUN.id, [])
    # Its jobs are not there, so they may have had several callers.
    assert kept.shared
    logs.expire(hours=1)
    assert store.fetch(log_name(RUN.id))
    redis.zadd(keys.LOGS, {RUN.id: time.time() - 7200})
    logs.expire(hours=1)
    with pytest.raises(Gone):
        store.fetch(log_name(RUN.id))
    assert redis.zcard(keys.LOGS) == 0


def test_a_log_that_cannot_be_had_is_told_as_incomplete(redis: Redis, store: AudioStore, tmp_path: Path) -> None:
    """A host that does not answer holds nothing up."""

    class Unreachable(LocalHost):
        def log(self, kernel: Kernel) -> list[LogRecord]:
            raise HostUnreachable(f"no answer about {kernel.slug}")

    RunLogs(redis, store).keep(RUN, Unreachable(tmp_path / "kernels"))
    assert not RunLog.from_bytes(store.fetch(log_name(RUN.id))).complete
