"""`kavox keys …` as typer wants it; `keys.py` does the work."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands import options as given
from app.shared.api_key import Limits, Scope

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys of your apps.")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="The app: whose jobs, voices and kept speech they are.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            help="read: look; submit: also speak, cancel and clone; admin: also what concerns all callers. [submit]"
        ),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="30m, 12h, 90d, 4w or never. [never]")] = None,
    rate: Annotated[
        list[str] | None, typer.Option(help="Most requests, like 60/minute or 1000/hour; as often as you like.")
    ] = None,
    waiting: Annotated[int | None, typer.Option(min=1, help="Most jobs that may wait at once.")] = None,
    gpu_hours: Annotated[float | None, typer.Option(min=0, help="Most of each week's GPU hours.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the key there, for its owner's eyes only.")
    ] = None,
    as_json: given.AsJson = False,
) -> None:
    """Make a key for NAME and print it, this once. A name may have several, so that they can be replaced."""
    from app.commands.keys import create  # noqa: PLC0415

    limits = Limits(tuple(rate or ()), waiting, None if gpu_hours is None else gpu_hours * 3600)
    create(name, scope or [Scope.SUBMIT], expires, limits, output, as_json=as_json)


@keys.command(name="list")
def list_keys(as_json: given.AsJson = False) -> None:
    """List the keys: what each may do, until when, and when it was used last."""
    from app.commands.keys import list_keys  # noqa: PLC0415

    list_keys(as_json=as_json)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID|NAME", help="One key by its id, or all keys of a name.")],
    as_json: given.AsJson = False,
) -> None:
    """Revoke a key: within seconds it opens nothing more. What was submitted with it goes on."""
    from app.commands.keys import revoke  # noqa: PLC0415

    revoke(key, as_json=as_json)
