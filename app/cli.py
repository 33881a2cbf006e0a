"""The `kavox` command.

Every failure is one line on stderr. Exit code 78 (EX_CONFIG): the settings must be mended; 2: the request, or the
command line; 1: anything else. What a command needs is imported when it runs, so that the command line itself is quick.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.shared.errors import ConfigurationError, KavoxError, RequestRefused

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Kavox speaks text.")

Output = Annotated[Path, typer.Option("--output", "-o", help="The wav file to write.")]

_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def main() -> None:
    """Runs the command line and ends the process."""
    try:
        cli()
    except KavoxError as error:
        _fail(error.detail, _exit_code(error))
    except OSError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("stopped", 130)


@cli.command()
def serve() -> None:
    """Run the whole service: Redis and Kaggle's emulator where none is named, workers and the API."""
    from app.stack import serve  # noqa: PLC0415

    serve()


@cli.command()
def demo(text: str, output: Output = Path("demo.wav")) -> None:
    """Speak TEXT into a wav file on a stack of its own, which is gone afterwards."""
    from app.demo import demo  # noqa: PLC0415

    demo(text, output)


@cli.command()
def synthesize(
    text: str,
    url: Annotated[str, typer.Option(help="Where the service is.")] = "http://127.0.0.1:8000",
    provider: Annotated[
        str | None, typer.Option(help="One of GET /providers; the service chooses when left out.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A model of that provider.")] = None,
    voice: Annotated[str | None, typer.Option(help="One of GET /voices.")] = None,
    gpu: Annotated[bool | None, typer.Option("--gpu/--no-gpu", help="--no-gpu: on the worker's machine.")] = None,
    key: Annotated[str | None, typer.Option(help="Your key, where the service wants one.")] = None,
    output: Output = Path("speech.wav"),
) -> None:
    """Speak TEXT into a wav file through a running service."""
    from app.synthesize import synthesize  # noqa: PLC0415

    given = {"text": text, "provider": provider, "model": model, "voice": voice, "gpu": gpu}
    synthesize({name: value for name, value in given.items() if value is not None}, url, key, output)


@cli.command()
def worker() -> None:
    """Run one worker; KAVOX_REDIS_URL and Kaggle must be named."""
    _become("workers.main")


@cli.command(context_settings=_PASSED_ON)
def emulator(context: typer.Context) -> None:
    """Run the stand-in for Kaggle; --help lists its options."""
    _become("workers.emulator", *context.args)


def _become(module: str, *arguments: str) -> NoReturn:
    # The same process goes on as that program, so signals and exit codes need no passing on.
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606


def _exit_code(error: KavoxError) -> int:
    if isinstance(error, ConfigurationError):
        return os.EX_CONFIG
    return 2 if isinstance(error, RequestRefused) else 1


def _fail(detail: str, code: int) -> NoReturn:
    typer.echo(f"kavox: {detail}", err=True)
    sys.exit(code)
