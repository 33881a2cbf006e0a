"""The commands that run the service or a part of it; `app/cli.py` has the others."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

servers = typer.Typer()

_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@servers.command()
def serve() -> None:
    """Run the whole service: Redis and Kaggle's emulator where none is named, workers and the API."""
    from app.stack import serve  # noqa: PLC0415

    serve()


@servers.command()
def demo(
    text: str, output: Annotated[Path, typer.Option("--output", "-o", help="The wav file to write.")] = Path("demo.wav")
) -> None:
    """Speak TEXT into a wav file on a stack of its own, which is gone afterwards."""
    from app.demo import demo  # noqa: PLC0415

    demo(text, output)


@servers.command()
def api() -> None:
    """Run the API alone; KAVOX_REDIS_URL and Kaggle must be named."""
    from app.programs import api_module  # noqa: PLC0415
    from app.shared.settings import load_settings  # noqa: PLC0415

    _become(*api_module(load_settings()))


@servers.command()
def worker() -> None:
    """Run one worker; KAVOX_REDIS_URL and Kaggle must be named."""
    _become("workers.main")


@servers.command(context_settings=_PASSED_ON)
def emulator(context: typer.Context) -> None:
    """Run the stand-in for Kaggle; --help lists its options."""
    _become("workers.emulator", *context.args)


def _become(module: str, *arguments: str) -> NoReturn:
    # The same process goes on as that program, so signals and exit codes need no passing on.
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606
