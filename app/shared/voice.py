"""A cloned voice: a caller's recording, checked and kept, that a provider speaks like."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from app.shared.identifiers import is_id, new_id

PREFIX = "voice-"


@dataclass(frozen=True)
class ClonedVoice:
    """One recording. `language` is the one to speak unless a job says otherwise; `created_at` is seconds since 1970."""

    id: str
    caller: str
    name: str
    provider: str
    transcript: str | None
    language: str | None
    seconds: float
    sample_rate: int
    sha256: str
    created_at: float

    @property
    def file(self) -> str:
        """The recording's name, the same everywhere; another content gets another name."""
        return recording_file(self.id, self.sha256)

    def reference(self) -> dict[str, Any]:
        """What a job keeps of the voice, so that it can be spoken by whoever carries the job."""
        return {"voice": self.id, "file": self.file, "sha256": self.sha256, "transcript": self.transcript}

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ClonedVoice":
        return cls(**json.loads(text))


def new_voice_id() -> str:
    """A name for a voice, as no manifest may use it."""
    return PREFIX + new_id()


def is_voice_id(text: str | None) -> bool:
    """Whether `text` names a cloned voice, there or not."""
    return text is not None and text.startswith(PREFIX) and is_id(text.removeprefix(PREFIX))


def recording_file(voice_id: str, sha256: str) -> str:
    return f"{voice_id}-{sha256[:16]}.wav"


def recording_name(file: str) -> str:
    """The name under which the audio store keeps a recording."""
    return f"voices/{file}"


def dataset_slug(voice_id: str, prefix: str = "kavox") -> str:
    """The voice's dataset on Kaggle; with a prefix of 22 characters it has the 50 that Kaggle allows."""
    return f"{prefix}-{voice_id}"
