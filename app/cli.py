"""The `kavox` command.

Every failure is one line on stderr, and its exit status tells the kind (`exit_codes.py`). What a command needs is
imported when it runs, so that the command line itself is quick.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from app.commands import options as given
from app.commands.keys_cli import keys
from app.commands.servers import servers
from app.exit_codes import CANCELED, exit_code
from app.shared.errors import KavoxError

if TYPE_CHECKING:
    from app.commands.service import Where

PROGRAM = "kavox"

cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def main() -> None:
    """Runs the command line and ends the process."""
    try:
        code = cli(prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        _misuse(error)
    except KavoxError as error:
        _fail(error.detail, exit_code(error))
    except OSError as error:
        _fail(": ".join(str(part) for part in (error.filename, error.strerror or error) if part), 1)
    # What typer makes of Ctrl-C.
    if code == CANCELED:
        _fail("stopped", CANCELED)
    sys.exit(code)


@cli.callback()
def any_command(_version: given.Version = False) -> None:
    """Kavox speaks text on Kaggle's free GPUs."""


@cli.command()
def synthesize(
    text: Annotated[str | None, typer.Argument(help="What to speak; - reads it from stdin.")] = None,
    file: Annotated[Path | None, typer.Option(help="Speak this file of text.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; - is stdout. [speech.wav, speech.mp3 …]")
    ] = None,
    provider: given.Provider = None,
    model: given.Model = None,
    voice: given.Voice = None,
    language: given.Language = None,
    audio_format: given.AudioFormat = None,
    gpu: given.Gpu = None,
    seed: given.Seed = None,
    speed: given.Speed = None,
    option: given.EngineOption = None,
    priority: given.UrgencyOption = None,
    max_wait: given.MaxWait = None,
    on_unavailable: given.OnUnavailable = None,
    no_cache: given.NoCache = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and speak nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="--no-wait: print the job's id and leave.")] = True,
    as_json: given.AsJson = False,
    url: given.Url = None,
    key_file: given.KeyFile = None,
) -> None:
    """Speak TEXT into a file, through a running service or, where none runs, one for as long as it takes."""
    from app.commands.synthesize import synthesize  # noqa: PLC0415
    from app.commands.wishes import Wish  # noqa: PLC0415

    chosen = audio_format or _format_of(output)
    wish = Wish(
        provider, model, voice, language, chosen, gpu, seed, speed, option or (), priority, max_wait, on_unavailable,
        cache=not no_cache,
    )  # fmt: skip
    target = output or Path(f"speech.{chosen or 'wav'}")
    synthesize(text, file, wish, _where(url, key_file), target, as_json=as_json, dry_run=dry_run, wait=wait)


@cli.command()
def batch(
    file: Annotated[Path, typer.Argument(help="A text a line, or .jsonl with a request a line; - is stdin.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the audio. [the file's name]")
    ] = None,
    paragraphs: Annotated[bool, typer.Option("--paragraphs", help="Texts are parted by blank lines.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=32, help="Requests to the service at once.")] = 8,
    provider: given.Provider = None,
    model: given.Model = None,
    voice: given.Voice = None,
    language: given.Language = None,
    audio_format: given.AudioFormat = None,
    gpu: given.Gpu = None,
    seed: given.Seed = None,
    speed: given.Speed = None,
    option: given.EngineOption = None,
    priority: given.UrgencyOption = None,
    max_wait: given.MaxWait = None,
    on_unavailable: given.OnUnavailable = None,
    no_cache: given.NoCache = False,
    as_json: given.AsJson = False,
    url: given.Url = None,
    key_file: given.KeyFile = None,
) -> None:
    """Speak every text of FILE into FOLDER/NAME-0001.wav …; given again, it goes on where it was interrupted."""
    from app.commands.batch import batch  # noqa: PLC0415
    from app.commands.wishes import Wish  # noqa: PLC0415

    wish = Wish(
        provider, model, voice, language, audio_format, gpu, seed, speed, option or (), priority, max_wait,
        on_unavailable, cache=not no_cache,
    )  # fmt: skip
    where = _where(url, key_file)
    sys.exit(batch(file, wish, where, output, paragraphs=paragraphs, concurrency=concurrency, as_json=as_json))


@cli.command()
def jobs(
    status: Annotated[given.Status | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    as_json: given.AsJson = False,
    url: given.Url = None,
    key_file: given.KeyFile = None,
) -> None:
    """List your jobs, the newest first."""
    from app.commands.jobs import list_jobs  # noqa: PLC0415

    list_jobs(_where(url, key_file), status, limit, as_json=as_json)


@cli.command()
def watch(
    job: given.JobId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write its audio there; - is stdout.")] = None,
    as_json: given.AsJson = False,
    url: given.Url = None,
    key_file: given.KeyFile = None,
) -> None:
    """Follow a job until it has ended; Ctrl-C leaves it alone."""
    from app.commands.jobs import watch  # noqa: PLC0415

    watch(job, _where(url, key_file), output, _format_of(output), as_json=as_json)


@cli.command()
def cancel(
    job: given.JobId, as_json: given.AsJson = False, url: given.Url = None, key_file: given.KeyFile = None
) -> None:
    """Cancel a job."""
    from app.commands.jobs import cancel  # noqa: PLC0415

    cancel(job, _where(url, key_file), as_json=as_json)


@cli.command()
def logs(job: given.JobId, url: given.Url = None, key_file: given.KeyFile = None) -> None:
    """Print what the notebook of an ended job's run printed."""
    from app.commands.jobs import show_logs  # noqa: PLC0415

    show_logs(job, _where(url, key_file))


@cli.command()
def bundle(
    job: given.JobId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="[kavox-JOB.zip]")] = None,
    include_text: Annotated[bool, typer.Option("--include-text", help="Do not mask the text.")] = False,
    url: given.Url = None,
    key_file: given.KeyFile = None,
) -> None:
    """Save what is needed to run an ended job again, to look into its failure; its text is masked."""
    from app.commands.jobs import save_bundle  # noqa: PLC0415

    save_bundle(job, _where(url, key_file), output, include_text=include_text)


@cli.command()
def replay(
    bundle: Annotated[Path, typer.Argument(help="The zip that `kavox bundle` has saved.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The wav file to write.")] = Path("replay.wav"),
    trust_notebook: Annotated[
        bool, typer.Option("--trust-notebook", help="Run the bundle's own notebook, which is a program.")
    ] = False,
) -> None:
    """Run the notebook of a job's bundle again, on an emulated Kaggle."""
    from app.commands.replay import replay  # noqa: PLC0415

    replay(bundle, output, trusted=trust_notebook)


@cli.command()
def voices(
    provider: given.Provider = None,
    language: given.Language = None,
    as_json: given.AsJson = False,
    url: given.Url = None,
    key_file: given.KeyFile = None,
) -> None:
    """List the voices, your own ones first."""
    from app.commands.offers import list_voices  # noqa: PLC0415

    list_voices(_where(url, key_file), provider, language, as_json=as_json)


@cli.command()
def mcp(
    folder: Annotated[Path, typer.Option(help="Where files that a model asks for are written.")] = Path(),
    url: given.Url = None,
    key_file: given.KeyFile = None,
) -> None:
    """Be an MCP server on stdin and stdout: a running service as tools for language models."""
    from app.commands.mcp_server import serve  # noqa: PLC0415

    serve(_where(url, key_file), folder)


@cli.command()
def quota(as_json: given.AsJson = False, url: given.Url = None, key_file: given.KeyFile = None) -> None:
    """Show what is left of the week's GPU hours."""
    from app.commands.offers import show_quota  # noqa: PLC0415

    show_quota(_where(url, key_file), as_json=as_json)


@cli.command()
def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Only what can be seen without a network.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Also run one kernel on Kaggle, without GPU; minutes.")] = False,
    as_json: given.AsJson = False,
) -> None:
    """Check this installation; exit status 1 when something is wrong with it."""
    from app.commands.doctor import doctor  # noqa: PLC0415

    sys.exit(0 if doctor(offline=offline, live=live, as_json=as_json) else 1)


@cli.command()
def completion(shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Your shell.")]) -> None:
    """Print the script that completes kavox' commands and options with the Tab key."""
    # What typer's own --show-completion prints, which asks what shell it runs in.
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # noqa: PLC0415

    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var="_KAVOX_COMPLETE", shell=shell))


def _format_of(output: Path | None) -> str | None:
    """The format that a file's name stands for. Raises WrongUsage where it stands for one that Kavox cannot write."""
    from app.exit_codes import WrongUsage  # noqa: PLC0415

    suffix = output.suffix.removeprefix(".").lower() if output else ""
    if suffix in given.OTHER_FORMATS:
        raise WrongUsage(f"--output {output}: {suffix} is none of {', '.join(given.FORMATS)}; name one with --format")
    suffix = given.SAME_FORMATS.get(suffix, suffix)
    return suffix if suffix in given.FORMATS else None


def _where(url: str | None, key_file: Path | None) -> "Where":
    from app.commands.service import Where  # noqa: PLC0415

    return Where(url, key_file)


def _misuse(error: typer.TyperException) -> NoReturn:
    """The command line itself is wrong: says so in a line; without any command the help was shown."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else PROGRAM
    # pydantic's words, which typer checks values with.
    detail = error.format_message().replace("Value error, ", "").rstrip(".")
    if not detail:
        sys.exit(error.exit_code)
    # Some end by asking what was meant.
    end = "" if detail.endswith("?") else ";"
    _fail(f"{detail}{end} `{command} --help` says what can be given", error.exit_code)


def _fail(detail: str, code: int) -> NoReturn:
    # However many lines Kaggle or a notebook made of it.
    typer.echo(f"kavox: {' '.join(detail.split())}", err=True)
    sys.exit(code)


cli.add_typer(servers)
cli.add_typer(keys, name="keys")

if __name__ == "__main__":
    main()
