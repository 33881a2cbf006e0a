"""`kavox synthesize`: one text becomes one file of speech."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from app.client import Client, Job, failure
from app.commands.service import Where, any_service, running_service, say
from app.commands.tables import print_estimate, print_json
from app.commands.wishes import Wish
from app.exit_codes import Canceled, ServiceUnreachable, WrongUsage
from app.following import follow
from app.output_file import check_output, write_output, write_stdout
from app.progress import progress
from app.shared.errors import KavoxError
from app.spoken import in_words

STDIN = "-"
STDOUT = Path("-")


def synthesize(
    text: str | None,
    file: Path | None,
    wish: Wish,
    where: Where,
    output: Path,
    *,
    as_json: bool,
    dry_run: bool,
    wait: bool,
) -> None:
    """Speaks a text, of the command line, a file or stdin, into `output`, or to stdout where that is `-`.

    Raises WrongUsage when the text or the output cannot be used, else what the service or the job ended with.
    """
    if not dry_run and wait:
        check_target(output, as_json=as_json)
    spoken = read_text(text, file)
    # A service of our own would end with us, and the job with it.
    service = any_service(where, for_one=True) if wait and not dry_run else running_service(where)
    with service as client:
        request = {"text": spoken, **wish.request(client)}
        if dry_run:
            print_estimate(client.estimate(request), as_json=as_json)
            return
        job = client.submit(request)
        warn(job)
        if wait:
            deliver(client, _finished(client, job), output, as_json=as_json, warned=len(job["warnings"]))
        elif as_json:
            print_json(job)
        else:
            typer.echo(job["id"])


def deliver(
    client: Client, job: Job, output: Path | None, *, as_json: bool, warned: int, wanted: str | None = None
) -> None:
    """Writes the audio of a job that has ended to `output`, if that is given, in the job's format or the `wanted` one.

    Raises what the job failed with.
    """
    warn({"warnings": job["warnings"][warned:]})
    if as_json:
        print_json(job)
    if job["status"] != "succeeded":
        raise failure(job)
    if output is None:
        say(in_words(job, Path(job["id"])))
    else:
        content = client.audio(job, wanted)
        try:
            if output == STDOUT:
                write_stdout(content)
            else:
                write_output(output, content)
        except WrongUsage as error:
            kept = f"job {job['id']} keeps its audio, and `kavox watch {job['id']} -o FILE` fetches it"
            raise WrongUsage(f"{error.detail}; {kept}") from None
        if output != STDOUT:
            say(in_words(job, output))


def warn(job: Mapping[str, Any]) -> None:
    """What the caller should know about the job, a line each."""
    for warning in job["warnings"]:
        typer.echo(f"kavox: warning: {warning}", err=True)


def check_target(output: Path, *, as_json: bool) -> None:
    """Raises WrongUsage when the audio cannot go there."""
    if output != STDOUT:
        check_output(output)
    elif as_json:
        raise WrongUsage("--output - and --json both write to stdout; give one of them")
    elif sys.stdout.isatty():
        raise WrongUsage("--output - writes audio to stdout; send it into a pipe or a file")


def read_text(text: str | None, file: Path | None) -> str:
    """The text, wherever it is. Raises WrongUsage when there are two, none, or one that is not UTF-8."""
    if (text is None) == (file is None):
        raise WrongUsage("give a TEXT, - for stdin, or --file; one of them")
    if text is not None and text != STDIN:
        return _as_typed(text)
    try:
        content = sys.stdin.buffer.read() if file is None or str(file) == STDIN else file.read_bytes()
        # The line end of the last line is the editor's.
        return content.decode("utf-8-sig").removesuffix("\n")
    except OSError as error:
        raise WrongUsage(f"--file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongUsage(f"{file or 'stdin'} is not text in UTF-8; convert it first") from None


def _as_typed(text: str) -> str:
    """What was typed, whatever encoding the system believes in. Raises WrongUsage when that was not UTF-8."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeDecodeError:
        raise WrongUsage("TEXT is not text in UTF-8; set the terminal to it, or convert a file for --file") from None


def _finished(client: Client, job: Job) -> Job:
    """The job once it has ended. Ctrl-C has it canceled; a second one does not wait for that."""
    try:
        with progress() as show:
            return follow(client, job, show)
    except KeyboardInterrupt:
        try:
            now = client.cancel(job["id"])
        except KavoxError as error:
            detail = f"stopped, but job {job['id']} could not be canceled and may go on: {error.detail}"
            raise Canceled(detail) from None
        if now["status"] == "succeeded":
            return now
        doing = "is being canceled" if now["status"] == "canceling" else "is canceled"
        raise Canceled(f"stopped: job {job['id']} {doing}") from None
    except ServiceUnreachable as error:
        detail = f"{error.detail}; job {job['id']} goes on, and `kavox watch {job['id']} -o FILE` fetches it"
        raise ServiceUnreachable(detail) from None
