"""`kavox demo`: the whole road once, on a stack of its own that leaves nothing behind but the wav."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from app.client import ENDED, Client, Job, failure
from app.output_file import check_output, write_output
from app.premises import occupied
from app.progress import Show, progress
from app.shared.errors import KavoxError, RequestRefused, Transient
from app.shared.logs import set_up_logs
from app.shared.settings import Settings, load_settings
from app.spoken import in_words
from app.stack import Stack
from app.supervisor import StopRequests

_START_SECONDS = 60
_TAIL_LINES = 8
_LOOK_SECONDS = 0.1


class _Stopped(Transient):
    """A person pressed Ctrl-C."""


def demo(text: str, output: Path) -> None:
    """Speaks `text` into the wav file `output`.

    Raises RequestRefused when the API does not take the text, WrongUsage when the file cannot be written, another
    KavoxError when something else fails; then the last lines of the processes' logs are shown first.
    """
    began = time.monotonic()
    check_output(output)
    with TemporaryDirectory(prefix="kavox-demo-", ignore_cleanup_errors=True) as folder:
        chosen = _settings(Path(folder))
        set_up_logs("error", "demo")
        logs = Path(folder) / "logs"
        logs.mkdir()
        with (
            StopRequests() as requests,
            _log_tails_on_failure(logs),
            occupied(chosen) as settings,
            Stack(settings, requests, logs) as stack,
            progress(lines=True, threads=False) as show,
        ):
            job = _speak(stack, text, output, show)
    typer.echo(f"{in_words(job, output)}; took {time.monotonic() - began:.1f} s")


def _settings(folder: Path) -> Settings:
    """Those of the environment, but for what belongs to one service: nothing of another is read or changed."""
    return load_settings(
        data_dir=folder,
        redis_url=None,
        audio_url="",
        host="127.0.0.1",
        port=0,
        workers=1,
        batch_window_seconds=0.2,
    )


def _speak(stack: Stack, text: str, output: Path, show: Show) -> Job:
    show({"phase": "starting", "progress": 0})
    stack.start()
    if not stack.wait_until_ready(_START_SECONDS):
        raise _Stopped("stopped before the text was handed in")
    typer.echo(f"Kaggle is {stack.kaggle_in_words()}", err=True)

    with Client(stack.address) as client:
        job = client.submit({"text": text})
        while job["status"] not in ENDED:
            show(job)
            if not stack.check():
                raise _Stopped(f"stopped while the job was {job['status']}")
            time.sleep(_LOOK_SECONDS)
            job = client.job(job["id"])
        if job["status"] != "succeeded":
            raise failure(job)
        write_output(output, client.audio(job))
        return job


@contextmanager
def _log_tails_on_failure(logs: Path) -> Iterator[None]:
    try:
        yield
    except (RequestRefused, _Stopped):
        # The processes did their work.
        raise
    except KavoxError:
        for path in sorted(logs.glob("*.log")):
            with path.open(errors="replace") as lines:
                for line in deque(lines, _TAIL_LINES):
                    typer.echo(f"{path.stem}: {line.rstrip()}", err=True)
        raise
