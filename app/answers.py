"""What the API's answers mean to its client: problem+json as the errors of `app.shared.errors`."""

from collections.abc import Mapping
from typing import Any

import httpx

from app.shared.errors import Conflict, Forbidden, Gone, KavoxError, NotFound, RequestRefused, Transient

_KINDS: Mapping[int, type[KavoxError]] = {403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone}


def error(answer: httpx.Response) -> KavoxError:
    """The error that an answer stands for which is no success."""
    problem = _problem(answer)
    detail = str(problem.get("detail") or f"{answer.url} answers {answer.status_code} {answer.reason_phrase}")
    code = problem.get("code")
    if kind := _KINDS.get(answer.status_code):
        return kind(detail, code=code)
    if answer.is_client_error and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
        return RequestRefused(str(problem.get("field", "")), detail, code=code)
    return Transient(detail, code=code)


def retry_after(answer: httpx.Response) -> float:
    """How many seconds the service wants to be left alone for, 0 where it does not say."""
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() else 0.0


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = answer.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
