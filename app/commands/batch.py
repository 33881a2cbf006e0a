"""`kavox batch`: many texts become as many files, NAME-0001.wav … in a folder.

All texts are handed in first, a few at a time, so that the service can put many into one run; then each is waited for.
Where no more may wait, the rest is handed in when those have ended.
Whatever is interrupted goes on when the same command is given again: what is done is not asked for again, and what was
handed in is found by its idempotency key, which comes from the text's number and request. A text whose job failed or
was canceled gets a job of its own anew.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import typer

from app.client import ENDED, NO_ROOM, Client, Job, failure
from app.commands.batch_file import Item, read_batch
from app.commands.batch_record import Record
from app.commands.service import Where, any_service, say
from app.commands.tables import print_json
from app.commands.wishes import Wish
from app.exit_codes import Canceled, ServiceUnreachable, WrongUsage, exit_code
from app.output_file import write_output
from app.progress import counting
from app.shared.errors import Gone, KavoxError, TooManyWaiting, Transient, Unauthorized

_WAIT_SECONDS = 20
_ROOM_SECONDS = 5
_MOST_ATTEMPTS = 50


class _Stopped(Exception):  # noqa: N818  # nothing is wrong
    """Nothing more is asked for: Ctrl-C, or the service is gone."""


def batch(
    file: Path,
    wish: Wish,
    where: Where,
    folder: Path | None,
    *,
    paragraphs: bool,
    concurrency: int,
    as_json: bool,
) -> int:
    """Speaks every text of a file; the exit status: 0, that of all failures where it is the same, else 1.

    Raises WrongUsage when the file or the folder cannot be used, ServiceUnreachable, and Canceled after Ctrl-C.
    """
    content = _content(file)
    stem = "stdin" if str(file) == "-" else file.stem
    target = folder or Path(stem)
    with any_service(where) as client:
        items = read_batch(file, content, wish.request(client), paragraphs=paragraphs)
        record = _record(target, stem)
        outstanding = [item for item in items if not record.is_done(item)]
        with counting(len(items)) as step:
            for _ in range(len(items) - len(outstanding)):
                step("done before")
            codes = _Batch(client, record, target, stem, step).speak(outstanding, concurrency)
    entries = [record.entry(item) for item in items]
    if as_json:
        print_json(entries)
    done = sum(entry["status"] == "succeeded" for entry in entries)
    kept = len(items) - len(outstanding)
    before = f" ({kept} of them were there before)" if kept else ""
    if codes or sys.stderr.isatty():
        again = f"; {len(codes)} failed: the same command tries them again" if codes else ""
        typer.echo(f"kavox: {done} of {len(items)} texts are spoken in {target}{before}{again}", err=True)
    return 0 if not codes else codes[0] if len(set(codes)) == 1 else 1


class _Batch:
    """The texts of one command that are still to be spoken."""

    def __init__(self, client: Client, record: Record, folder: Path, stem: str, step: Callable[[str], None]) -> None:
        self._client = client
        self._record = record
        self._folder, self._stem = folder, stem
        self._step = step
        self._stopped, self._full = threading.Event(), threading.Event()
        self._codes: list[int] = []
        self._outcomes: Counter[str] = Counter()

    def speak(self, items: Sequence[Item], concurrency: int) -> list[int]:
        """The exit codes of those that failed. Raises what ends the whole batch."""
        with ThreadPoolExecutor(concurrency) as threads:
            try:
                left = items
                while left:
                    jobs, refused = self._hand_in(threads, left)
                    self._collect(threads, [item for item in left if item.number in jobs], jobs)
                    if refused and not jobs:
                        # Those that wait are not ours.
                        if left is items:
                            say("As many jobs wait as may: this goes on when some have run")
                        self._stopped.wait(_ROOM_SECONDS)
                    left = refused
            except KeyboardInterrupt:
                detail = "stopped; the jobs that were handed in go on, and the same command goes on with them"
                raise Canceled(detail) from None
            except (ServiceUnreachable, Unauthorized) as error:
                again = f"{error.detail}; the same command goes on where this one ended"
                raise type(error)(again) from None
            finally:
                self._stopped.set()
                self._client.hurry()
                threads.shutdown(cancel_futures=True)
        return self._codes

    def _hand_in(self, threads: Executor, items: Sequence[Item]) -> tuple[Mapping[int, Job], Sequence[Item]]:
        """The jobs by the numbers of their texts, and the texts for which there was no room."""
        self._full.clear()
        jobs: dict[int, Job] = {}
        refused: list[Item] = []
        handed_in = {threads.submit(self._guarded, self._submit, item): item for item in items}
        for future in as_completed(handed_in):
            item, found = handed_in[future], future.result()
            if not isinstance(found, KavoxError):
                jobs[item.number] = found
            elif found.code in NO_ROOM:
                refused.append(item)
            else:
                self._failed(item, None, found)
        return jobs, sorted(refused, key=lambda item: item.number)

    def _collect(self, threads: Executor, items: Sequence[Item], jobs: Mapping[int, Job]) -> None:
        """Waits for the texts' jobs: in the file's order, which is the service's too."""
        spoken = {threads.submit(self._guarded, self._finish, item, jobs[item.number]): item for item in items}
        for future in as_completed(spoken):
            item, found = spoken[future], future.result()
            if isinstance(found, KavoxError):
                self._failed(item, jobs[item.number], found)
            else:
                self._succeeded(item, found)

    def _guarded(self, work: Callable[..., Job], *arguments: Any) -> Job | KavoxError:
        """What the work gives, or the error that concerns this one item only. Raises what concerns them all."""
        try:
            return work(*arguments)
        except (ServiceUnreachable, Unauthorized):
            raise
        except KavoxError as error:
            return error

    def _submit(self, item: Item) -> Job:
        """The item's job: the one that goes on or has succeeded, else a new one. Raises NO_ROOM's errors at once."""
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            self._check()
            if self._full.is_set():
                raise TooManyWaiting("another text has just been refused for that", retry_after=_ROOM_SECONDS)
            try:
                job = self._client.submit(item.request, f"kavox-batch-{item.digest}-{attempt}", wait_for_room=False)
            except Gone:
                continue
            except Transient as error:
                if error.code in NO_ROOM:
                    self._full.set()
                raise
            # What has failed already did so under an earlier command.
            if job["status"] not in {"failed", "canceled", "canceling"}:
                return job
        return self._client.submit(item.request, wait_for_room=False)

    def _finish(self, item: Item, job: Job) -> Job:
        """Waits for the job and writes its audio. Raises what it failed with."""
        while job["status"] not in ENDED:
            self._check()
            job = self._client.job(job["id"], wait_seconds=_WAIT_SECONDS)
        if job["status"] != "succeeded":
            raise failure(job)
        write_output(self._folder / item.file_name(self._stem), self._client.audio(job))
        return job

    def _succeeded(self, item: Item, job: Job) -> None:
        audio = job["audio"]
        outcome = {
            "status": "succeeded",
            "job": job["id"],
            "duration_seconds": audio["duration_seconds"],
            "sha256": audio["sha256"],
            "warnings": job["warnings"],
        }
        self._record.note(item, **outcome)
        self._count("spoken")

    def _failed(self, item: Item, job: Job | None, error: KavoxError) -> None:
        told = {"code": error.code, "detail": error.detail}
        self._record.note(item, status="failed", job=job["id"] if job else None, error=told)
        say_it = f"kavox: text {item.number}: {' '.join(error.detail.split())}"
        typer.echo(say_it, err=True)
        self._count("failed")
        self._codes.append(exit_code(error))

    def _count(self, outcome: str) -> None:
        self._outcomes[outcome] += 1
        self._step(", ".join(f"{count} {name}" for name, count in self._outcomes.items()))

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


def _content(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise WrongUsage(f"{file} cannot be read: {error.strerror}") from None


def _record(folder: Path, stem: str) -> Record:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Record(folder, stem)
    except OSError as error:
        raise WrongUsage(f"--output {folder}: {error.strerror}; name a folder that can be written") from None
