"""`kavox synthesize`: one text through a service that already runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from app.client import Client
from app.progress import progress
from app.wav_file import check_output, in_words


def synthesize(request: Mapping[str, Any], url: str, key: str | None, output: Path) -> None:
    """Speaks a request (DESIGN §5) into the wav file `output`.

    Raises RequestRefused when the service does not take it or the file cannot be written, else Transient or Permanent.
    """
    check_output(output)
    with Client(url, key=key) as client, progress() as show:
        job = client.speak(request, output, lambda job: show(job["phase"], job["progress"]))
    typer.echo(in_words(job, output))
