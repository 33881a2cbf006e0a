"""Keeps the logs of ended runs: fetched once, cleaned, cut to a size, and removed when their time has passed."""

import math
import time
from collections.abc import Sequence
from typing import cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.errors import KavoxError
from app.shared.job import Phase
from app.shared.run_log import LogLine, RunLog, log_name
from workers.kernel import KernelHost, LogRecord
from workers.kernel_log import progress_in
from workers.log_lines import readable
from workers.run import Run

log = structlog.get_logger()

# What a person reads is at the beginning (what was installed) and at the end (what went wrong).
_HEAD_CHARACTERS = 64 * 1024
_TAIL_CHARACTERS = 192 * 1024
_LONGEST_LINE = 4000
_AT_ONCE = 500


class RunLogs:
    """The stored logs. No method raises because of a log: it decides nothing, and its run must go on."""

    def __init__(self, redis: Redis, audio: AudioStore) -> None:
        self._redis = redis
        self._audio = audio

    def keep(self, run: Run, host: KernelHost) -> list[LogRecord]:
        """Stores the log of a run whose session is over, in place of an earlier one; answers what the host gave.

        To be called before the run's jobs end, so that an ended job's log is there.
        """
        records: list[LogRecord] = []
        fetched = False
        try:
            records = host.log(run.kernel)
            fetched = True
        except KavoxError as error:
            log.warning("log not fetched", detail=error.detail)
        kept = run_log(run, records, shared=self._is_shared(run), fetched=fetched)
        try:
            # Noted first: what is stored and not noted would never be removed.
            self._redis.zadd(keys.LOGS, {run.id: time.time()})
            self._audio.put(log_name(run.id), kept.to_bytes())
        except KavoxError as error:
            log.warning("log not stored", detail=error.detail)
        return records

    def expire(self, hours: float) -> None:
        """Removes the logs that were stored longer ago than this."""
        before, removed = time.time() - hours * 3600, []
        for run_id in cast("list[str]", self._redis.zrangebyscore(keys.LOGS, "-inf", before, start=0, num=_AT_ONCE)):
            try:
                self._audio.delete(log_name(run_id))
            except KavoxError as error:
                log.warning("log not removed yet", run=run_id, detail=error.detail)
            else:
                removed.append(run_id)
        if removed:
            self._redis.zrem(keys.LOGS, *removed)

    def _is_shared(self, run: Run) -> bool:
        """Whether the run's jobs have several callers; a job that is not there any more may have had another one."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in run.jobs:
                pipeline.hget(keys.JOB + job_id, "caller")
            callers = set(pipeline.execute())
        return len(callers) > 1 or None in callers


def run_log(run: Run, records: Sequence[LogRecord], *, shared: bool, fetched: bool) -> RunLog:
    """What is kept of these records."""
    lines: list[LogLine] = []
    first_item = _first_item(records)
    for record in readable(records):
        # Looked for in the whole line, before anything is cut off.
        named = [job_id for job_id in run.jobs if job_id in record.text]
        lines.append(LogLine(record.time, record.stream, record.text[:_LONGEST_LINE], named, record.time < first_item))
    kept = _cut(lines)
    return RunLog(run.id, shared, complete=fetched and len(kept) == len(lines), lines=kept)


def _first_item(records: Sequence[LogRecord]) -> float:
    """The time from which on a line may be about an item. The streams need not stand in the order of their times."""
    told = [(record.time, progress.phase) for record in records for progress in progress_in(record)]
    if not told:
        # How far the notebook came is not known, so nothing is certain to be harmless.
        return 0.0
    # The notebook names the phase before it touches the first item.
    return min((time for time, phase in told if phase not in {Phase.INSTALLING, Phase.LOADING}), default=math.inf)


def _cut(lines: Sequence[LogLine]) -> list[LogLine]:
    """The head and the tail of a long log, with a line in between that says so."""
    head, tail = _within(lines, _HEAD_CHARACTERS), _within(lines[::-1], _TAIL_CHARACTERS)
    missing = len(lines) - head - tail
    if missing <= 0:
        return list(lines)
    gap = LogLine(lines[head].time, "kavox", f"[{missing} lines left out]", (), common=True)
    return [*lines[:head], gap, *lines[len(lines) - tail :]]


def _within(lines: Sequence[LogLine], characters: int) -> int:
    """How many lines from the first one on have so many characters at most."""
    for number, line in enumerate(lines):
        characters -= len(line.text) + 1
        if characters < 0:
            return number
    return len(lines)
