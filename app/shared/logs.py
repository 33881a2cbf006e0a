"""One set-up of structured logs for every process: a line of JSON each, or readable text on a terminal.

`structlog.contextvars.bind_contextvars(job=…, run=…)` adds ids to every line that follows. No text of a caller, no
audio and no credential is ever logged, not by accident either:

- libraries are heard from warnings on, whatever the level: their finer lines have addresses, headers and bodies;
- of what they say only the first line counts: the others repeat tracebacks and values;
- a traceback (`tracebacks.py`) has neither the values of variables nor an error's own words where these may quote one.

A log that cannot be written stops nothing.
"""

import json
import logging
import os
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor

from app.shared.tracebacks import told


def set_up_logs(level: str, process: str) -> None:
    """Sends the process' logs, those of its libraries and its uncaught errors included, to stderr from `level` on.

    `process` is what its lines call it.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _naming(process),
        structlog.processors.ExceptionRenderer(told),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(_as_json)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        # Ours go past `logging`, which takes four times as long: there is a line for every request.
        logger_factory=lambda *_: _Lines(sys.stderr.fileno()),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[_first_line, *shared], processor=renderer)
    )
    logging.basicConfig(level=max(least, logging.WARNING), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # It sets levels of its own, and tells of every wake-up.
    for chatty in ("rq.worker", "rq.queue"):
        logging.getLogger(chatty).setLevel(max(least, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        # It brings handlers of its own, for lines of its own form.
        server = logging.getLogger(name)
        server.handlers.clear()
        server.propagate, server.level = True, logging.NOTSET
    _catch_the_uncaught()


class _Lines:
    """Writes each line with one stroke, so that those of several processes on one pipe do not mix."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def msg(self, line: str) -> None:
        with suppress(OSError):
            os.write(self._descriptor, f"{line}\n".encode(errors="backslashreplace"))

    debug = info = warning = error = critical = exception = msg


def _as_json(event: EventDict, **options: Any) -> str:
    try:
        return orjson.dumps(event, **options).decode()
    except TypeError:
        # Half a surrogate, in a file's name for one.
        return json.dumps(event, **options)


def _naming(process: str) -> Processor:
    def name(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return name


def _first_line(_logger: object, _method: str, event: EventDict) -> EventDict:
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _catch_the_uncaught() -> None:
    """What nobody has caught is a line like any other."""
    log = structlog.get_logger()

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, Exception):
            log.critical("uncaught error", exc_info=error)
        else:
            sys.__excepthook__(kind, error, trace)  # Ctrl-C is no mistake

    def of_thread(args: Any) -> None:
        if args.exc_type is not SystemExit:
            log.critical("uncaught error", thread=getattr(args.thread, "name", ""), exc_info=args.exc_value)

    sys.excepthook, threading.excepthook = of_process, of_thread
