"""result.json of a run, and from it a checked wav for each job.

Nothing is taken for audio because it lies in the folder: only what the result of this very run names for this very job,
and only when size, sha256, WAV header and duration agree with it. `audio_checks.py` asks whether it can be speech.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import soundfile
import structlog
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.shared.audio_formats import FORMATS, converted
from app.shared.conversion import tag
from app.shared.errors import AudioRejected, NotebookFailed
from app.shared.job import Speech
from app.shared.provider import Provider
from workers.audio_checks import check
from workers.kernel import KernelHost
from workers.run import Run
from workers.speech_bounds import expected_seconds

log = structlog.get_logger()

RESULT = "result.json"
# WAV stores whole frames, and notebooks round the duration that they state; in seconds.
_DURATION_TOLERANCE = 0.05
_MAX_RESULT_BYTES = 16 * 1024**2
_PLAIN_NAME = re.compile(r"^[A-Za-z0-9_-]+\.wav$")


class _Span(BaseModel, allow_inf_nan=False):
    start: float
    end: float


_SPANS = TypeAdapter(list[_Span])


class ResultItem(BaseModel, allow_inf_nan=False):
    """What the notebook says of one job."""

    id: str
    status: Literal["succeeded", "failed"]
    file: str | None = None
    sha256: str | None = None
    sample_rate: int | None = None
    duration_seconds: float | None = None
    seconds: float | None = None
    error: str | None = None
    chunks: Any = None


class ResultEngine(BaseModel):
    """What spoke."""

    name: str
    version: str


class Result(BaseModel):
    """result.json: the last thing that a notebook writes."""

    run_id: str
    provider: str
    model: str
    engine: ResultEngine
    device: str
    items: list[ResultItem]


@dataclass(frozen=True)
class Audio:
    """A wav that is what its item says. `times` are when its chunks begin and end, in seconds, all in one row; empty
    where that is not known, or there is one chunk only."""

    path: Path
    sha256: str
    size: int
    sample_rate: int
    duration_seconds: float
    checks: dict[str, Any]
    times: Sequence[float] = ()

    def view(self) -> dict[str, Any]:
        """What a job shows of its audio."""
        return {
            "format": "wav",
            "duration_seconds": round(self.duration_seconds, 3),
            "sample_rate": self.sample_rate,
            "bytes": self.size,
            "sha256": self.sha256,
            "checks": self.checks,
            **({"times": list(self.times)} if self.times else {}),
        }

    def view_as(self, extension: str, made: Path, sample_rate: int) -> dict[str, Any]:
        """The same for a file in another format that was made from it."""
        return converted(self.view(), FORMATS[extension], sample_rate, made.stat().st_size, sha256_of(made))


def fetch_result(host: KernelHost, run: Run, directory: Path) -> Result:
    """Downloads and reads result.json. Raises NotebookFailed when there is none, or it is not this run's."""
    if not host.download(run.kernel, {RESULT}, directory):
        raise NotebookFailed("the notebook left no result.json")
    try:
        return _read_result(directory / RESULT, run)
    except NotebookFailed:
        # It may have been cut on the way.
        host.download(run.kernel, {RESULT}, directory)
        return _read_result(directory / RESULT, run)


def _read_result(path: Path, run: Run) -> Result:
    if path.stat().st_size > _MAX_RESULT_BYTES:
        raise NotebookFailed(f"result.json has {path.stat().st_size} bytes, at most {_MAX_RESULT_BYTES} are read")
    try:
        result = Result.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        raise NotebookFailed(f"result.json: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    if result.run_id != run.id:
        raise NotebookFailed(f"result.json belongs to run {result.run_id[:40]}, not to {run.id}")
    return result


def fetch_audio(host: KernelHost, run: Run, items: Collection[ResultItem], directory: Path) -> None:
    """Downloads the wavs that these items name, and nothing else; twice where what came is not what they say.

    Raises HostUnreachable when any could not be fetched; the others may be there.
    """
    sums = {item.file: item.sha256 for item in items if item.status == "succeeded" and item.file and _is_own_name(item)}
    host.download(run.kernel, set(sums), directory)
    cut = {name for name in sums if (directory / name).is_file() and sha256_of(directory / name) != sums[name]}
    if cut:
        host.download(run.kernel, cut, directory)


def checked(item: ResultItem, directory: Path, speech: Speech, provider: Provider) -> Audio:
    """The item's audio. Raises AudioRejected for what is missing, not what the item says, or cannot be this speech."""
    if not _is_own_name(item) or not item.file:
        raise AudioRejected(f"the notebook named the file {item.file!r}, which is not this job's")
    path = directory / item.file
    if not path.is_file():
        raise AudioRejected("the notebook names a wav that is not among its outputs")
    sha256 = sha256_of(path)
    if sha256 != item.sha256:
        raise AudioRejected("the wav's sha256 is not the one in result.json")
    try:
        header = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise AudioRejected(f"the file is not audio: {error}") from None
    if header.format != "WAV" or header.samplerate != item.sample_rate:
        raise AudioRejected(f"the file is {header.format} at {header.samplerate} Hz, not WAV at {item.sample_rate} Hz")
    if header.frames == 0:
        raise AudioRejected("the wav is empty")
    duration = header.frames / header.samplerate
    if item.duration_seconds is None or abs(duration - item.duration_seconds) > _DURATION_TOLERANCE:
        raise AudioRejected(f"the wav lasts {duration:.2f} s, result.json says {item.duration_seconds} s")
    checks = check(path, len(speech.text), expected_seconds(speech, provider))
    times = _times(item, len(provider.chunks(speech.text, speech.language)), duration)
    return Audio(path, sha256, path.stat().st_size, header.samplerate, duration, checks, times)


def _times(item: ResultItem, chunks: int, duration: float) -> Sequence[float]:
    """When the item's chunks are heard. Captions are not worth a job's audio: times that cannot be are left out."""
    if item.chunks is None or chunks == 1:
        return ()
    try:
        given = _SPANS.validate_python(item.chunks)
    except ValidationError:
        log.warning("chunk times dropped", job=item.id, reason="they are not pairs of start and end")
        return ()
    times = [round(time, 3) for span in given for time in (span.start, span.end)]
    row = [0.0, *times, duration + _DURATION_TOLERANCE]
    if len(given) != chunks or any(earlier > later for earlier, later in pairwise(row)):
        log.warning("chunk times dropped", job=item.id, reason="they do not fit the chunks and the duration")
        return ()
    return times


def tagged(audio: Audio, tags: Mapping[str, str]) -> Audio:
    """The same speech in a file that says where it came from, in place of the one that was checked.

    Raises StorageFull.
    """
    tag(audio.path, tags)
    return replace(audio, sha256=sha256_of(audio.path), size=audio.path.stat().st_size)


def _is_own_name(item: ResultItem) -> bool:
    """The name comes from a notebook: it must be the job's own, and plain enough to be a path."""
    return item.file == f"{item.id}.wav" and _PLAIN_NAME.fullmatch(item.file) is not None


def sha256_of(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
