"""The options of the program and those that several commands share, as typer wants them."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

Format = Literal["wav", "flac", "mp3", "opus", "pcm"]
Status = Literal["queued", "running", "canceling", "succeeded", "failed", "canceled"]
Priority = Literal["low", "normal", "high"]

FORMATS = get_args(Format)
SAME_FORMATS = {"ogg": "opus", "oga": "opus"}
"""Other names of files in one of them."""
OTHER_FORMATS = frozenset({"aac", "aif", "aiff", "amr", "m4a", "mp4", "webm", "wma"})
"""Names of files that would say of one what it is not."""


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"kavox {version('kavox')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Show the version, and end.", callback=_tell_version, is_eager=True)
]

Url = Annotated[str | None, typer.Option(help="Where the service is. [KAVOX_URL, else this machine's]")]
KeyFile = Annotated[Path | None, typer.Option(help="File with your key, where the service wants one. [KAVOX_API_KEY]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]

Provider = Annotated[str | None, typer.Option("--provider", "-p", help="Who speaks; the service chooses otherwise.")]
Model = Annotated[str | None, typer.Option("--model", "-m", help="A model of that provider.")]
Voice = Annotated[str | None, typer.Option("--voice", "-v", help="One of `kavox voices`, or one of your own.")]
Language = Annotated[str | None, typer.Option("--language", "-l", help="A language code, like en.")]
AudioFormat = Annotated[
    Format | None, typer.Option("--format", "-f", help="The format of the audio. [that of --output, else wav]")
]
Gpu = Annotated[
    bool | None,
    typer.Option(
        "--gpu/--no-gpu", help="--gpu: on Kaggle's GPU, where the provider has use for one; --no-gpu: locally."
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="The same seed, the same speech.")]
Speed = Annotated[float | None, typer.Option(help="Short for --option speed=…")]
EngineOption = Annotated[
    list[str] | None, typer.Option("--option", "-O", help="name=value: a setting of the engine; as often as you like.")
]
UrgencyOption = Annotated[Priority | None, typer.Option("--priority", help="Before or after your other jobs.")]
MaxWait = Annotated[
    float | None, typer.Option("--max-wait", min=0.001, help="Seconds after which a job that still waits fails.")
]
OnUnavailable = Annotated[
    str | None, typer.Option(help="local:PROVIDER: spoken by that one when there is no GPU quota.")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Speak it anew, even if the same speech is kept.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
