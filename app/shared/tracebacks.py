"""Errors as a log tells them: where they happened and what they are, and nothing that may quote a request.

Files, lines and functions, never the values of variables. An error's own words only where they come from the system,
the interpreter or Redis' server and are about names and types; of our errors the `code`, whose detail may have an
engine's words; of all others, which like to say what they could not read, the type alone.
"""

import traceback
from collections.abc import Iterator

from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import ResponseError
from structlog.typing import ExcInfo

from app.shared.errors import KavoxError

_INTERPRETER = (OSError, ImportError, AttributeError, NameError, TypeError, IndexError, MemoryError, RecursionError)
_REDIS = (NoConnection, ResponseError)
_LONGEST_WORDS = 300
_MOST_FRAMES = 30


def told(exc_info: ExcInfo) -> str:
    """The error and those that it came of, the last one first."""
    return "\n".join(_chain(exc_info[1], set()))


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield f"{type(error).__module__}.{type(error).__qualname__}{_words(error)}".removeprefix("builtins.")
        for frame in traceback.extract_tb(error.__traceback__, limit=-_MOST_FRAMES):
            yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _chain(inner, seen)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _words(error: BaseException) -> str:
    if isinstance(error, KavoxError):
        return f": {error.code}"
    # Libraries' own subclasses, such as those of requests, quote addresses with their signatures.
    of_interpreter = isinstance(error, _INTERPRETER) and type(error).__module__ == "builtins"
    return f": {str(error)[:_LONGEST_WORDS]}" if of_interpreter or isinstance(error, _REDIS) else ""
