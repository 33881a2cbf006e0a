"""The formats in which audio is delivered, and what a job's audio is called in each.

A run's wav is held against result.json, gets its tags behind its samples, which stay as they came, and is kept; the
sha256 that a job shows is that of the tagged file. Every other format is made from it, once, and kept beside it under a
name that begins with the wav's own sha256, so that both expire together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.shared.audio_store import audio_name
from app.shared.errors import RequestRefused

WAV = "wav"
_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)

PCM_RATE = 24_000
"""Raw samples do not say what they are, so they are always the same: this rate, mono, signed 16 bits, little-endian.
It is what OpenAI's clients take `pcm` for."""


@dataclass(frozen=True)
class AudioFormat:
    """One of them: `container` and `subtype` are libsndfile's names, no `rates` means any; `exact` loses nothing."""

    name: str
    media_type: str
    container: str
    subtype: str | None = None
    rates: Sequence[int] = ()
    exact: bool = False
    tagged: bool = True
    mono: bool = False

    def rate_for(self, rate: int) -> int:
        """The sample rate of what is made from a wav of this rate: its own, else the next higher one that there is."""
        if not self.rates or rate in self.rates:
            return rate
        return min((higher for higher in self.rates if higher > rate), default=max(self.rates))


FORMATS: Mapping[str, AudioFormat] = {
    one.name: one
    for one in (
        AudioFormat(WAV, "audio/wav", "WAV", exact=True),
        AudioFormat("flac", "audio/flac", "FLAC", exact=True),
        AudioFormat("mp3", "audio/mpeg", "MP3", "MPEG_LAYER_III", _MP3_RATES),
        AudioFormat("opus", "audio/ogg; codecs=opus", "OGG", "OPUS", _OPUS_RATES),
        AudioFormat(
            "pcm",
            f"audio/pcm; rate={PCM_RATE}; channels=1",
            "RAW",
            "PCM_16",
            (PCM_RATE,),
            exact=True,
            tagged=False,
            mono=True,
        ),
    )
}


def audio_format(name: str) -> AudioFormat:
    """The format of this name. Raises RequestRefused, listing them all."""
    if name not in FORMATS:
        detail = f"there is no format '{name}'; valid: {', '.join(FORMATS)}"
        raise RequestRefused("format", detail, code="unsupported_format", valid=list(FORMATS))
    return FORMATS[name]


def checked_wav(audio: Mapping[str, Any]) -> Mapping[str, Any]:
    """Sample rate, bytes and sha256 of the wav that a job's audio is, or was made from."""
    wav: Mapping[str, Any] = audio.get("wav") or audio
    return wav


def converted(wav: Mapping[str, Any], made: AudioFormat, sample_rate: int, size: int, sha256: str) -> dict[str, Any]:
    """What a job shows of audio that was made from `wav`, which is what one shows of a wav; `size` in bytes."""
    source = {name: wav[name] for name in ("sample_rate", "bytes", "sha256")}
    delivered = {"format": made.name, "sample_rate": sample_rate, "bytes": size, "sha256": sha256}
    return {**wav, **delivered, "wav": source}


def kept_name(job_id: str, audio: Mapping[str, Any], wanted: AudioFormat) -> str:
    """The name under which a job's audio is kept in this format, once it is."""
    return audio_name(job_id, checked_wav(audio)["sha256"], wanted.name)


def kept_names(job_id: str, audio: Mapping[str, Any]) -> list[str]:
    """All names under which a job's audio may be kept; the wav's comes first, because no other is made without it."""
    return [kept_name(job_id, audio, wanted) for wanted in FORMATS.values()]
