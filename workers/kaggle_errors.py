"""What Kaggle's answers mean: only here do its codes and messages become the types of `app.shared.errors`."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from app.shared.errors import (
    AskedToWait,
    CredentialsRejected,
    HostUnreachable,
    PushRefused,
    PushUncertain,
    QuotaExhausted,
    ReferenceRefused,
    SessionsTaken,
)

# Beside requests' own errors, what Kaggle's client raises on a body that is not the API's: an unknown enum value is a
# KeyError, HTML with status 200 a ValueError, a null where a list belongs a TypeError, one where an enum or a duration
# belongs an AttributeError.
UNREADABLE = (requests.RequestException, KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError)


def refusal(text: str) -> SessionsTaken | QuotaExhausted | PushUncertain | PushRefused:
    """What a push answered with HTTP 200 and an `error` means."""
    lower = text.lower()
    if any(words in lower for words in ("session count", "batch cpu sessions", "toomanyassignments")):
        return SessionsTaken(f"Kaggle: {text}")
    if "quota" in lower:
        return QuotaExhausted(f"Kaggle: {text}")
    if "already in use" in lower:
        # Also the answer to the second of two equal pushes, so the kernel may be there.
        return PushUncertain(f"Kaggle: {text}")
    return PushRefused(f"Kaggle: {text}")


def push_error(error: Exception) -> Exception:
    """What a failed push means: refused for certain, never sent, or uncertain."""
    code = status_code(error)
    if code in {401, 403}:
        return CredentialsRejected(f"Kaggle refuses the account's push ({code}): {message(error)}")
    if code == 412:
        return SessionsTaken(f"Kaggle: {message(error)}")
    if code in {425, 429}:
        return AskedToWait(f"Kaggle limits the rate of calls: {message(error)}", retry_after(error))
    # 408 may come after the push was taken in; 409 is also the answer to the second of two equal pushes.
    if code is not None and 400 <= code < 500 and code not in {408, 409}:
        return PushRefused(f"Kaggle refuses the push ({code}): {message(error)}")
    if isinstance(error, requests.ConnectTimeout) or _never_connected(error):
        return HostUnreachable(f"Kaggle cannot be reached: {message(error)}")
    return PushUncertain(f"no clear answer to the push: {message(error)}")


def dataset_error(error: Exception) -> HostUnreachable | CredentialsRejected | ReferenceRefused:
    """What a failed upload means: whether it can be tried again, after a look at what became of it."""
    code = status_code(error)
    if code in {401, 403}:
        return CredentialsRejected(f"Kaggle refuses the account's upload ({code}): {message(error)}")
    if code is not None and 400 <= code < 500 and code not in {408, 409, 412, 425, 429}:
        return ReferenceRefused(f"Kaggle refuses the recording ({code}): {message(error)}")
    return _unreachable(f"no clear answer to the upload: {message(error)}", error)


def read_error(error: Exception) -> HostUnreachable | CredentialsRejected:
    """What a failed call that changes nothing means."""
    if status_code(error) == 401:
        return CredentialsRejected(f"Kaggle does not accept the credentials: {message(error)}")
    return _unreachable(f"no usable answer from Kaggle: {message(error)}", error)


def retry_after(error: Exception) -> float | None:
    """How many seconds from now Kaggle wants to be left alone, None when it does not say."""
    response = getattr(error, "response", None)
    said = response.headers.get("Retry-After", "") if response is not None else ""
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _unreachable(detail: str, error: Exception) -> HostUnreachable:
    wait = retry_after(error)
    return AskedToWait(detail, wait) if wait is not None or status_code(error) == 429 else HostUnreachable(detail)


def _never_connected(error: Exception) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectionError) and isinstance(reason, NewConnectionError)


def status_code(error: Exception) -> int | None:
    """The code in the body where there is one: Kaggle also sends errors with HTTP 200."""
    response = getattr(error, "response", None)
    if response is None:
        return None
    code = _body(response).get("code")
    return code if isinstance(code, int) else int(response.status_code)


def message(error: Exception) -> str:
    """Kaggle's own words where there are some, else what happened, without the client's innards."""
    response = getattr(error, "response", None)
    said = _body(response).get("message") if response is not None else None
    if said:
        return str(said)
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or one that was cut"
    if isinstance(error, requests.HTTPError) and response is not None:
        return f"HTTP {response.status_code}"
    return f"an answer that is not the API's ({type(error).__name__})"


def _body(response: requests.Response) -> dict[str, Any]:
    """The error in a response's body, in either of Kaggle's two shapes."""
    try:
        body = response.json()
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, dict) else body
