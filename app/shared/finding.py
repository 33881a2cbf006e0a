"""What `kavox doctor` finds out about one thing; its checks run in two processes, which both speak of this."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self


class State(StrEnum):
    """How the thing stands."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"  # it was not looked at, or nobody can tell; no reason to worry


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was seen, and what to do where that is not well."""

    check: str
    state: State
    detail: str
    remedy: str = ""

    @classmethod
    def ok(cls, check: str, detail: str) -> Self:
        """It is well."""
        return cls(check, State.OK, detail)

    @classmethod
    def failed(cls, check: str, detail: str, remedy: str) -> Self:
        """It is not."""
        return cls(check, State.FAILED, detail, remedy)

    @classmethod
    def unknown(cls, check: str, detail: str, remedy: str = "") -> Self:
        """Nobody can tell."""
        return cls(check, State.UNKNOWN, detail, remedy)

    def to_json(self) -> str:
        """The finding as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The finding of such a line. Raises ValueError, KeyError or TypeError for any other."""
        fields = json.loads(line)
        return cls(**{**fields, "state": State(fields["state"])})
