"""`kavox keys`: make, list and revoke the keys of apps, in the installation's own Redis.

That needs no service, because the first key must come from somewhere, and whoever can reach Redis needs none anyway.
"""

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from app.commands.service import say
from app.commands.tables import in_json, print_json, print_table
from app.exit_codes import WrongUsage
from app.output_file import check_output, write_output, write_stdout
from app.own_redis import own_redis
from app.shared.api_key import ApiKey, Limits, Scope, is_name, new_key
from app.shared.api_key_store import ApiKeyStore
from app.shared.rates import Rate
from app.shared.settings import load_settings

_UNITS = {"m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_LIFETIME = re.compile(r"([1-9][0-9]{0,4})([mhdw])")


def create(
    name: str, scopes: Sequence[Scope], expires: str | None, limits: Limits, output: Path | None, *, as_json: bool
) -> None:
    """Makes a key and shows it this once: on stdout, or in a file that only its owner can read.

    Raises WrongUsage, and then there is no key: one that nobody holds would yet shut everybody out.
    """
    if not is_name(name):
        raise WrongUsage(f"'{name}' cannot be a name: 1 to 64 letters, digits, dots, dashes and underscores")
    try:
        for rate in limits.rates:
            Rate.parse(rate)
    except ValueError as error:
        raise WrongUsage(f"--rate {error}") from None
    token, key = new_key(name, scopes, lifetime_seconds=_seconds(expires), limits=limits)
    if output is not None:
        check_output(output)
    with own_redis(load_settings()) as redis:
        store = ApiKeyStore(redis)
        store.add(key)
        try:
            _hand_over(key, token, output, as_json=as_json)
        except BaseException:
            store.revoke(key.id)
            raise
    place = f"in {output}" if output else "shown this once and kept nowhere: put it away now"
    until = f", until {_moment(key.expires_at)}" if key.expires_at else ""
    say(f"Key {key.id} of {name} ({', '.join(sorted(key.scopes))}{until}) is {place}.")


def list_keys(*, as_json: bool) -> None:
    """A key a line, never the key itself."""
    with own_redis(load_settings()) as redis:
        store = ApiKeyStore(redis)
        known, uses = store.list(), store.uses()
    if as_json:
        print_json([_view(key, uses.get(key.id)) for key in known])
        return
    head = ("id", "name", "scopes", "created", "expires", "last used", "limits")
    print_table(head, (_row(key, uses.get(key.id)) for key in known))
    if not known:
        say("There is no key: the service serves this machine alone, without any.")


def revoke(id_or_name: str, *, as_json: bool) -> None:
    """Revokes the key of this id, or all keys of this name. Raises NotFound."""
    with own_redis(load_settings()) as redis:
        store = ApiKeyStore(redis)
        gone, left = store.revoke(id_or_name), len(store.list())
    if as_json:
        print_json([_view(key, None) for key in gone])
    else:
        for key in gone:
            typer.echo(f"{key.id}\t{key.name}")
    say(f"Revoked; {left} left." if left else "Revoked; none is left: the service serves this machine alone.")


def _hand_over(key: ApiKey, token: str, output: Path | None, *, as_json: bool) -> None:
    if output is not None:
        write_output(output, f"{token}\n".encode(), mode=0o600)
    told = {**_view(key, None), "key": None if output else token}
    if as_json:
        write_stdout(f"{in_json(told)}\n".encode())
    elif output is None:
        write_stdout(f"{token}\n".encode())


def _seconds(expires: str | None) -> float | None:
    if expires is None or expires == "never":
        return None
    found = _LIFETIME.fullmatch(expires)
    if found is None:
        raise WrongUsage(f"--expires {expires}: say 30m, 12h, 90d, 4w or never")
    return float(found[1]) * _UNITS[found[2]]


def _view(key: ApiKey, used_at: float | None) -> Mapping[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": _iso(key.created_at),
        "expires_at": _iso(key.expires_at),
        "expired": key.has_expired(time.time()),
        "last_used_at": _iso(used_at),
        "limits": {
            "rates": list(key.limits.rates),
            "waiting": key.limits.waiting,
            "gpu_seconds": key.limits.gpu_seconds,
        },
    }


def _row(key: ApiKey, used_at: float | None) -> Sequence[str]:
    expires = "never" if key.expires_at is None else _moment(key.expires_at)
    if key.has_expired(time.time()):
        expires += ", expired"
    limits = [*key.limits.rates]
    if key.limits.waiting is not None:
        limits.append(f"{key.limits.waiting} waiting")
    if key.limits.gpu_seconds is not None:
        limits.append(f"{key.limits.gpu_seconds / 3600:g} GPU hours a week")
    used = _moment(used_at) if used_at else "never"
    return (key.id, key.name, ", ".join(sorted(key.scopes)), _moment(key.created_at), expires, used, "; ".join(limits))


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _moment(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
