"""What a notebook on this machine sees of the environment: all that may matter to it, and no secret.

`PATH`, proxies, `CUDA_VISIBLE_DEVICES` and `HF_HOME` pass. A variable is withheld for its name, or because its value is
an address with a password in it.
"""

import re
from collections.abc import Collection, Mapping

_SECRET_PREFIXES = ("KAGGLE", "KAVOX")
_SECRET_WORDS = ("TOKEN", "KEY", "SECRET", "PASS", "CREDENTIAL", "AUTH")
_ADDRESS_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@]*:[^/\s@]+@", re.IGNORECASE)


def without_secrets(environment: Mapping[str, str], granted: Collection[str]) -> dict[str, str]:
    """The variables that a notebook may see; those of the names in `granted` whatever they hold."""
    return {name: value for name, value in environment.items() if name in granted or not _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    name = name.upper()
    if name.startswith(_SECRET_PREFIXES) or any(word in name for word in _SECRET_WORDS):
        return True
    # Without its proxy a machine may have no internet at all, and without internet no model.
    return not name.endswith("_PROXY") and _ADDRESS_WITH_PASSWORD.search(value) is not None
