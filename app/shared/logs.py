"""One set-up of structured logs for every process: a line of JSON each, or readable text on a terminal.

`structlog.contextvars.bind_contextvars(job=…, run=…)` adds ids to every line that follows. No text of a caller, no
audio and no credential is ever logged.
"""

import logging
import sys

import structlog


def set_up_logs(level: str) -> None:
    """Sends the process' logs, those of its libraries included, to stderr from `level` on."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("rq.worker", "rq.queue", "httpx", "urllib3", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
