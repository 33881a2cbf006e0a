"""What the emulator itself says: a line of JSON each, or text on a terminal. Nothing of a notebook is among it."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TextIO


def set_up_lines() -> None:
    """Sends its own warnings, those of its libraries, and what nobody has caught to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(plain=sys.stderr.isatty()))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)

    def uncaught(_kind: object, error: BaseException, _trace: object) -> None:
        if isinstance(error, Exception):
            logging.getLogger(__name__).critical("uncaught error", exc_info=error)

    sys.excepthook = uncaught


def say(text: str, stream: TextIO) -> None:
    """One line for whoever has started it."""
    stream.write((text if stream.isatty() else _json("info", text)) + "\n")
    stream.flush()


class _Line(logging.Formatter):
    def __init__(self, *, plain: bool) -> None:
        super().__init__()
        self._plain = plain

    def format(self, record: logging.LogRecord) -> str:
        # What follows the first line repeats values, and an error's own words may quote a notebook.
        said = record.getMessage().partition("\n")[0]
        error = record.exc_info[1] if record.exc_info else None
        where = [f"{place.filename}:{place.lineno} in {place.name}" for place in _places(error)]
        happened = "\n  ".join([type(error).__qualname__, *where]) if error else ""
        if self._plain:
            return f"{said}\n{happened}".rstrip()
        return _json(record.levelname.lower(), said, **({"exception": happened} if happened else {}))


def _places(error: BaseException | None) -> traceback.StackSummary | list[traceback.FrameSummary]:
    return traceback.extract_tb(error.__traceback__) if error else []


def _json(level: str, event: str, **more: str) -> str:
    moment = datetime.now(UTC).isoformat()
    return json.dumps({"event": event, **more, "level": level, "timestamp": moment, "process": "emulator"})
