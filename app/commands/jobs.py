"""`kavox jobs`, `watch`, `cancel`, `logs` and `bundle`: what has become of requests that were made before."""

from pathlib import Path

import typer

from app.commands.service import Where, running_service, say
from app.commands.synthesize import check_target, deliver, warn
from app.commands.tables import print_jobs, print_json
from app.exit_codes import Canceled
from app.following import follow
from app.output_file import check_output, write_output
from app.progress import progress
from app.shared.errors import Conflict


def list_jobs(where: Where, status: str | None, most: int, *, as_json: bool) -> None:
    """Prints the caller's jobs, the newest first."""
    with running_service(where) as client:
        jobs = list(client.jobs(status, most))
    if as_json:
        print_json(jobs)
    else:
        print_jobs(jobs)


def watch(job_id: str, where: Where, output: Path | None, audio_format: str | None, *, as_json: bool) -> None:
    """Follows a job until it has ended, and writes its audio to `output`, if given, in its own format or this one.

    Ctrl-C leaves the job alone. Raises NotFound, WrongUsage and what the job failed with.
    """
    if output is not None:
        check_target(output, as_json=as_json)
    with running_service(where) as client:
        job = client.job(job_id)
        warn(job)
        warned = len(job["warnings"])
        try:
            with progress() as show:
                job = follow(client, job, show)
        except KeyboardInterrupt:
            raise Canceled(f"stopped watching; job {job_id} goes on, `kavox cancel {job_id}` ends it") from None
        deliver(client, job, output, as_json=as_json, warned=warned, wanted=audio_format)


def cancel(job_id: str, where: Where, *, as_json: bool) -> None:
    """Has a job canceled. Raises NotFound, and Conflict when it has ended otherwise."""
    with running_service(where) as client:
        job = client.cancel(job_id)
    if as_json:
        print_json(job)
    if job["status"] in {"succeeded", "failed"}:
        raise Conflict(f"job {job_id} has already {job['status']}; there is nothing to cancel", code="job_ended")
    if not as_json:
        doing = "is being canceled: it waits for its host" if job["status"] == "canceling" else "is canceled"
        say(f"job {job_id} {doing}")


def show_logs(job_id: str, where: Where) -> None:
    """Prints the log of a job's run, as plain text."""
    with running_service(where) as client:
        typer.echo(client.log(job_id), nl=False)


def save_bundle(job_id: str, where: Where, output: Path | None, *, include_text: bool) -> None:
    """Writes a job's bundle into a file, and prints the file's name. Raises NotFound, Conflict, WrongUsage."""
    with running_service(where) as client:
        content = client.bundle(job_id, include_text=include_text)
    path = output or Path(f"kavox-{job_id}.zip")
    check_output(path)
    write_output(path, content)
    typer.echo(path)
