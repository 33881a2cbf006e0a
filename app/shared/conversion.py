"""Makes another format of a checked wav, and keeps it: libsndfile encodes and tags, soxr changes the sample rate.

A block at a time, because a clip may last an hour. Blocks also keep libsndfile's ogg writer from overflowing its stack,
as it does when it is handed everything at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from app.shared.audio_formats import FORMATS, WAV, AudioFormat, kept_name
from app.shared.audio_store import AudioStore
from app.shared.batch import Batch
from app.shared.errors import ConversionFailed, Gone, StorageFull
from app.shared.job import Job
from app.shared.result_cache import spoken_job
from app.shared.scratch import Scratch

_BLOCK_SECONDS = 1
# Read as what they are, samples pass unchanged; as floats they would be rounded on their way back. Encoders that lose
# something anyway get floats: libsndfile 1.2.2 makes noise of two channels of integers that are to become an mp3.
_SAMPLES = {"PCM_U8": "int16", "PCM_16": "int16", "PCM_24": "int32", "PCM_32": "int32"}
_NAMED_SPEAKERS = 5
_TAGGABLE = {*_SAMPLES, "FLOAT", "DOUBLE"}
_SYSTEM_ERROR = 2  # libsndfile's number for what the operating system refuses


def provenance(job: Job) -> Mapping[str, str]:
    """Where the speech came from, as the tags of a file; the text itself is the caller's business."""
    speech, job_id = job.speech, spoken_job(job.id)
    told = {
        "provider": speech.provider,
        "model": speech.model,
        "voice": speech.voice or "described by an option",
        "language": speech.language,
        "host": speech.host,
        "job": job_id,
    }
    return {
        "title": f"Kavox {job_id}",
        "artist": f"{speech.provider} {speech.voice or speech.model}",
        "software": f"Kavox {version('kavox')}",
        "comment": "synthetic speech; " + "; ".join(f"{name}={value}" for name, value in told.items()),
    }


def batch_provenance(batch: Batch, jobs: Sequence[Job]) -> Mapping[str, str]:
    """The same for the speech of many jobs."""
    speakers = dict.fromkeys(f"{job.speech.provider} {job.speech.voice or job.speech.model}" for job in jobs)
    hosts = dict.fromkeys(job.speech.host for job in jobs)
    return {
        "title": batch.name or f"Kavox {batch.id}",
        "artist": ", ".join(list(speakers)[:_NAMED_SPEAKERS]),
        "software": f"Kavox {version('kavox')}",
        "comment": f"synthetic speech; host={','.join(hosts)}; batch={batch.id}",
    }


def tag(wav: Path, tags: Mapping[str, str]) -> None:
    """Writes tags behind the samples of a wav, which stay as they are.

    A wav that libsndfile cannot add to is left without: one whose samples are packed, which it would spoil, or that
    has something else before them. Raises StorageFull.
    """
    if soundfile.info(wav).subtype not in _TAGGABLE:
        return
    try:
        with soundfile.SoundFile(wav, "r+") as file:
            _set(file, tags)
    except soundfile.SoundFileError:
        return
    with soundfile.SoundFile(wav) as file:
        # It does not say so when there was no room for what it writes last.
        if file.comment != tags["comment"]:
            raise StorageFull("the audio could not be tagged; free some space")


def keep(store: AudioStore, name: str, source: Path, target: Path, wanted: AudioFormat, tags: Mapping[str, str]) -> int:
    """Makes `wanted` of the wav `source` and keeps it as `name`; afterwards `target` is what is kept. Its sample rate.

    An encoder may write other bytes each time, and what has been announced or delivered once must stay as it is: where
    another process was faster, its file counts. Raises ConversionFailed, StorageFull, Gone or StoreUnavailable.
    """
    rate = convert(source, target, wanted, tags)
    if not store.put_new(name, target):
        store.download(name, target)
    return rate


def keep_beside(store: AudioStore, scratch: Scratch, job: Job, wanted: AudioFormat) -> None:
    """Makes `wanted` of a finished job's wav, or of kept speech in the place of one, and keeps it beside that.

    Raises what `keep` raises, and OSError where there is no room for files on their way.
    """
    audio = job.audio or {}
    wav, name = kept_name(job.id, audio, FORMATS[WAV]), kept_name(job.id, audio, wanted)
    with scratch.folder() as folder:
        store.download(wav, folder / "source.wav")
        keep(store, name, folder / "source.wav", folder / "made", wanted, provenance(job))
    if not store.has(wav):
        # It expired meanwhile. Retention removes the wav first: what is kept while the wav is there goes with it.
        store.delete(name)
        raise Gone("the audio is no longer stored", code="audio_expired")


def convert(source: Path, target: Path, wanted: AudioFormat, tags: Mapping[str, str]) -> int:
    """Writes the wav `source` into `target` in another format; its sample rate.

    Raises ConversionFailed, or StorageFull where `target` cannot be written.
    """
    with _encoding(wanted), soundfile.SoundFile(source) as wav:
        rate, channels = wanted.rate_for(wav.samplerate), 1 if wanted.mono else wav.channels
        with _written(target, wanted, rate, channels, _subtype(wanted, wav), tags) as file:
            for block in _blocks(wav, wanted, rate, channels):
                file.write(block)
        return rate


def join(
    sources: Iterable[Path], target: Path, wanted: AudioFormat, rate: int, gap_seconds: float, tags: Mapping[str, str]
) -> None:
    """Writes these wavs, of whatever sample rates, one after the other into `target`: one channel at `rate`, 16 bits
    where the format leaves that open, and so much silence between each two.

    Each source is read when it is its turn, and not looked at again. Raises ConversionFailed, or StorageFull where
    `target` cannot be written.
    """
    subtype, kind = wanted.subtype or "PCM_16", "int16" if wanted.exact else "float32"
    with _encoding(wanted), _written(target, wanted, rate, 1, subtype, tags) as file:
        for number, source in enumerate(sources):
            for silent in _steps(round(gap_seconds * rate), rate) if number else ():
                file.write(np.zeros((silent, 1), kind))
            with soundfile.SoundFile(source) as wav:
                for block in _blocks(wav, wanted, rate, 1):
                    file.write(block)


def _steps(count: int, most: int) -> Iterator[int]:
    """A number of samples in parts."""
    for start in range(0, count, most):
        yield min(most, count - start)


@contextmanager
def _encoding(wanted: AudioFormat) -> Iterator[None]:
    try:
        yield
    except soundfile.SoundFileError as error:
        if getattr(error, "code", None) == _SYSTEM_ERROR:
            raise StorageFull(f"the audio could not be written as {wanted.name}; free some space") from None
        raise ConversionFailed(f"the audio could not be made into {wanted.name}: {error}") from None


@contextmanager
def _written(
    target: Path, wanted: AudioFormat, rate: int, channels: int, subtype: str, tags: Mapping[str, str]
) -> Iterator[soundfile.SoundFile]:
    """A file to be written, with its tags."""
    endian = "LITTLE" if wanted.mono else None
    with soundfile.SoundFile(target, "w", rate, channels, subtype, endian, wanted.container) as file:
        if wanted.tagged:
            _set(file, tags)
        yield file


def _set(file: soundfile.SoundFile, tags: Mapping[str, str]) -> None:
    for name, value in tags.items():
        setattr(file, name, value)


def _subtype(wanted: AudioFormat, wav: soundfile.SoundFile) -> str:
    """libsndfile's name of how samples are written; flac takes as many bits as the wav has, up to 24."""
    return wanted.subtype or ("PCM_16" if _SAMPLES.get(wav.subtype) == "int16" else "PCM_24")


def _blocks(wav: soundfile.SoundFile, wanted: AudioFormat, rate: int, channels: int) -> Iterator[np.ndarray[Any, Any]]:
    """The samples, a column a channel, at the wanted rate."""
    kind = _SAMPLES.get(wav.subtype, "float32") if wanted.exact else "float32"
    resampler = soxr.ResampleStream(wav.samplerate, rate, channels, kind) if rate != wav.samplerate else None
    size = _BLOCK_SECONDS * wav.samplerate
    while len(block := wav.read(size, kind, always_2d=True)):
        if channels < block.shape[1]:
            block = block.mean(axis=1, keepdims=True).astype(kind)
        yield resampler.resample_chunk(np.ascontiguousarray(block)) if resampler else block
    if resampler:
        yield resampler.resample_chunk(np.empty((0, channels), kind), last=True)
