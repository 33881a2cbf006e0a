"""`kavox voices` and `kavox quota`: what can be asked for, and what is left of the week's GPU hours."""

from app.commands.service import Where, running_service
from app.commands.tables import print_json, print_quota, print_voices


def list_voices(where: Where, provider: str | None, language: str | None, *, as_json: bool) -> None:
    """Prints the voices, the caller's own ones first."""
    with running_service(where) as client:
        voices = client.voices(provider, language)
    if as_json:
        print_json(voices)
    else:
        print_voices(voices)


def show_quota(where: Where, *, as_json: bool) -> None:
    """Prints the GPU quota as a worker last read it."""
    with running_service(where) as client:
        quota = client.quota()
    if as_json:
        print_json(quota)
    else:
        print_quota(quota)
