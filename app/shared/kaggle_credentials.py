"""Kaggle credentials, from where Kaggle's own client looks and in its order (kaggle 2.2.4, kagglesdk 0.1.37).

    KAGGLE_API_TOKEN                          a token, or the path of a file with one
    ~/.kaggle/access_token, access_token.txt  a token
    KAGGLE_USERNAME and KAGGLE_KEY            the older pair
    kaggle.json                               the same, in KAGGLE_CONFIG_DIR, ~/.kaggle or ~/.config/kaggle

The login of its command line (credentials.json) is left out: it expires within hours, and a service runs for longer.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class KaggleCredentials:
    """An API token, or a pair of user name and key. Whether Kaggle accepts them is for Kaggle to say."""

    username: str | None = None
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def find_kaggle_credentials() -> KaggleCredentials | None:
    """What Kaggle's own client would use, None when there is nothing."""
    if token := _token():
        return KaggleCredentials(token=token)
    pair = (os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY"))
    username, key = pair if all(pair) else _pair_in_file()
    return KaggleCredentials(username=username, key=key) if username and key else None


def _token() -> str:
    given = os.environ.get("KAGGLE_API_TOKEN", "")
    if given:
        return _text(Path(given)) or given
    folder = Path.home() / ".kaggle"
    return _text(folder / "access_token") or _text(folder / "access_token.txt")


def _pair_in_file() -> tuple[str | None, str | None]:
    try:
        values = json.loads(_text(_config_folder() / "kaggle.json") or "{}")
    except ValueError:
        return None, None
    return (values.get("username"), values.get("key")) if isinstance(values, dict) else (None, None)


def _config_folder() -> Path:
    if chosen := os.environ.get("KAGGLE_CONFIG_DIR"):
        return Path(chosen)
    folder = Path.home() / ".kaggle"
    return folder if folder.exists() else Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaggle"


def _text(path: Path) -> str:
    """What a file says, '' when it says nothing or cannot be one (a token is no path)."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
