"""The table, and the goals that it is held against."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.bench import guess
from tests.bench.bound import earliest_end, earliest_end_of_stream, fewest_gpu_seconds, ideal_waits
from tests.bench.clock import POLLING_MIN, Speed
from tests.bench.figures import Figures, percentile
from tests.bench.lone import Lone
from tests.bench.texts import arrivals, seconds, texts

ORIGINAL, QUEUED, STREAM = "the original's", "kavox", "kavox, stream"

SHARE = 0.85
"""Of the best schedule."""
RATIOS = {1: (24.0, 10.0), 2: (43.0, 18.0)}
"""At factor 1, by the GPUs of a session: more jobs an hour than the original, and fewer GPU-seconds a job."""
PROMPT, LAGGING = 3.0, POLLING_MIN + 3.0

_HEADINGS = ("factor", "GPUs", "way", "jobs/h", "GPU-s/job", "p50", "p95", "runs", "of best: jobs/h", "GPU-s")
_WAY = 2


@dataclass(frozen=True)
class Row:
    """One way of speaking at one speed, beside the best there could be."""

    speed: Speed
    way: str
    figures: Figures
    best: Figures

    @property
    def share(self) -> float:
        """How much of the best jobs an hour."""
        return self.figures.jobs_per_hour / self.best.jobs_per_hour

    @property
    def thrift(self) -> float:
        """The least GPU-seconds as a share of those that were billed."""
        return self.best.gpu_seconds_per_job / self.figures.gpu_seconds_per_job

    def cells(self) -> list[str]:
        done = self.figures
        numbers = [done.jobs_per_hour, done.gpu_seconds_per_job, done.median_wait, done.long_wait]
        return [
            f"{self.speed.factor:g}",
            str(self.speed.gpus),
            self.way,
            *(f"{number:.1f}" for number in numbers),
            str(len(done.sessions)),
            f"{self.share:.0%}",
            f"{self.thrift:.0%}",
        ]


@dataclass
class Table:
    """All that was measured."""

    rows: list[Row] = field(default_factory=list)
    lone: Lone | None = None

    def add(self, speed: Speed, way: str, figures: Figures) -> Row:
        """Puts a measurement beside its best."""
        row = Row(speed, way, figures, best_stream(speed, figures.jobs) if way == STREAM else best_queued(speed))
        self.rows.append(row)
        return row

    def lines(self) -> Iterator[str]:
        """The table, ratios and delays, for people."""
        cells = [list(_HEADINGS), *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
        for line in cells:
            padded = [
                cell.ljust(width) if column == _WAY else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            yield "  ".join(padded).rstrip()
        yield ""
        yield from self._comparisons()
        if published := [delay for row in self.rows for delay in row.figures.publishing]:
            median, most = statistics.median(published), max(published)
            yield f"from a session's end to its last audio: p50 {median:.1f} s, most {most:.1f} s"
        if self.lone:
            for what, delays in (("no lag", self.lone.prompt), ("lag and stale status", self.lone.lagging)):
                shown = ", ".join(f"{delay:.1f}" for delay in sorted(delays))
                yield f"a lone job, {what}: audio {statistics.median(delays):.1f} s after the status is true ({shown})"
            yield from guess.lines(self.lone.compared)
        overrun = max((row.figures.overrun for row in self.rows), default=0.0)
        yield f"the sessions' clock: none lasted {overrun + 0.005:.2f} s of this machine's longer than it stated"

    def _comparisons(self) -> Iterator[str]:
        for row, original in self._pairs():
            (more, fewer), best = ratios(row.figures, original.figures), ratios(row.best, original.figures)
            yield (
                f"factor {row.speed.factor:g}, {row.speed.gpus} GPU: {more:.1f} x the original's jobs per hour (best "
                f"{best[0]:.1f} x), {fewer:.1f} x fewer GPU-seconds (best {best[1]:.1f} x)"
            )
        for row in self._named(STREAM):
            ideal = ideal_waits(*_stream(row.figures.jobs), row.speed)
            pairs = [(statistics.median(waits), percentile(waits, 0.95)) for waits in (row.figures.waits, ideal)]
            done, possible = (f"p50 {median:.0f} s, p95 {long:.0f} s" for median, long in pairs)
            yield f"stream, {row.speed.gpus} GPU: {done}; the same way without any loss of time: {possible}"

    def goals(self) -> Iterator[tuple[str, bool]]:
        """Each goal in words with its figure, and whether it is met."""
        for row, original in self._pairs():
            if row.speed.factor == 1:
                more, fewer = ratios(row.figures, original.figures)
                wanted = RATIOS[row.speed.gpus]
                where = f"with {row.speed.gpus} GPU at factor 1"
                yield f"{more:.1f} x the jobs per hour {where}, wanted {wanted[0]:g}", more >= wanted[0]
                yield f"{fewer:.1f} x fewer GPU-seconds {where}, wanted {wanted[1]:g}", fewer >= wanted[1]
        for row in (row for row in self.rows if row.way != ORIGINAL):
            where = f"{row.way}, factor {row.speed.factor:g}, {row.speed.gpus} GPU"
            yield f"{row.share:.0%} of the best schedule ({where}), wanted {SHARE:.0%}", row.share >= SHARE
        if self.lone:
            for what, delays, most in (
                ("no lag", self.lone.prompt, PROMPT),
                ("lag and stale status", self.lone.lagging, LAGGING),
            ):
                delay = statistics.median(delays)
                yield (
                    f"a lone job's audio {delay:.1f} s after its status is true ({what}), wanted {most:g}",
                    delay <= most,
                )

    def _pairs(self) -> Iterator[tuple[Row, Row]]:
        originals = {row.speed.factor: row for row in self._named(ORIGINAL)}
        for row in self._named(QUEUED):
            if row.speed.factor in originals:
                yield row, originals[row.speed.factor]

    def _named(self, way: str) -> list[Row]:
        return [row for row in self.rows if row.way == way]


def ratios(done: Figures, original: Figures) -> tuple[float, float]:
    """How many times the jobs an hour, and how many times fewer GPU-seconds a job."""
    return (
        done.jobs_per_hour / original.jobs_per_hour,
        original.gpu_seconds_per_job / done.gpu_seconds_per_job,
    )


def best_queued(speed: Speed) -> Figures:
    """The best for all texts at once, whoever speaks how many of them."""
    lengths = [seconds(text) for text in texts()]
    end = earliest_end(lengths, speed)
    return Figures(len(lengths), end, fewest_gpu_seconds(lengths, speed), [end] * len(lengths))


def best_stream(speed: Speed, count: int) -> Figures:
    """The best for a stream of so many texts; nobody's wait is less than nothing."""
    lengths, came = _stream(count)
    end = earliest_end_of_stream(lengths, came, speed)
    return Figures(count, end, fewest_gpu_seconds(lengths, speed), [0.0] * count)


def _stream(count: int) -> tuple[list[float], list[float]]:
    return [seconds(text) for text in texts(count)], list(arrivals(count))
