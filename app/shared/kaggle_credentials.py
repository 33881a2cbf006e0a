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
    """An API token, or a pair of user name and key. Whether Kaggle accepts them is for Kaggle to say.

    `source` tells people where they were found; `file` is the file, where they were in one.
    """

    username: str | None = None
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    source: str = field(default="", compare=False)
    file: Path | None = field(default=None, compare=False)


def find_kaggle_credentials() -> KaggleCredentials | None:
    """What Kaggle's own client would use, None when there is nothing."""
    if found := _token():
        return found
    pair = (os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY"))
    if all(pair):
        return KaggleCredentials(*pair, source="KAGGLE_USERNAME and KAGGLE_KEY")
    file = _pair_file()
    username, key = _pair_in(file)
    return KaggleCredentials(username, key, source=str(file), file=file) if username and key else None


def unreadable_credentials() -> Path | None:
    """A file that is looked at and that this process may not read, which is then as if it were not there."""
    for file in (*_token_files(), _pair_file()):
        try:
            file.open().close()
        except PermissionError:
            return file
        except OSError:
            continue
    return None


def _token() -> KaggleCredentials | None:
    given = os.environ.get("KAGGLE_API_TOKEN", "")
    if given:
        content = _text(Path(given))
        return KaggleCredentials(
            token=content or given, source="KAGGLE_API_TOKEN", file=Path(given) if content else None
        )
    for file in _token_files():
        if token := _text(file):
            return KaggleCredentials(token=token, source=str(file), file=file)
    return None


def _token_files() -> list[Path]:
    return [Path.home() / ".kaggle" / name for name in ("access_token", "access_token.txt")]


def _pair_file() -> Path:
    return _config_folder() / "kaggle.json"


def _pair_in(file: Path) -> tuple[str | None, str | None]:
    try:
        values = json.loads(_text(file) or "{}")
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
