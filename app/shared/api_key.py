"""Keys of the owner's apps: what one is, what it may do, and the form that it is kept in. Pure.

    kavox_3k9d2m7qx0ab_<43 characters: 256 random bits><6 characters: checksum>
          └─ id: no secret, in lists and logs

The beginning and the checksum are for scanners of secrets, which find a key that was published and tell it from chance.
Kept is the sha256 of the whole: of so many random bits nothing slower is needed, and nobody can turn it round.

Whoever sends a key is called by its name everywhere: whose jobs, voices, batches and kept speech they are. Several keys
may have one name, so that a new one can be handed out before the old one is revoked.
"""

import json
import re
import secrets
import string
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Self

PREFIX = "kavox_"

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH, _SECRET_LENGTH, _CHECK_LENGTH = 12, 43, 6
_ID_DIGITS = string.digits + string.ascii_lowercase
_LENGTH = len(PREFIX) + _ID_LENGTH + 1 + _SECRET_LENGTH + _CHECK_LENGTH
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"  # GET what is its name's, and what can be asked for
    SUBMIT = "submit"  # also POST and DELETE; it may read
    ADMIN = "admin"  # also see what concerns all callers, though never another one's texts; it may read


_IMPLIED = {Scope.SUBMIT: {Scope.READ}, Scope.ADMIN: {Scope.READ}}


@dataclass(frozen=True)
class Limits:
    """What a name may take; None is no limit. Of several keys of one name the tightest limits count.

    `rates`: requests, like `60/minute`. `waiting`: jobs that wait at once. `gpu_seconds`: of a week of the GPU quota.
    """

    rates: Sequence[str] = ()
    waiting: int | None = None
    gpu_seconds: float | None = None

    @classmethod
    def tightest(cls, every: Iterable["Limits"]) -> "Limits":
        """Those that hold where all of these do."""
        every = list(every)
        return cls(
            rates=tuple(dict.fromkeys(rate for limits in every for rate in limits.rates)),
            waiting=_least(limits.waiting for limits in every),
            gpu_seconds=_least(limits.gpu_seconds for limits in every),
        )


NO_LIMITS = Limits()


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept; times in seconds since 1970, `expires_at` None for one that does not expire."""

    id: str
    name: str
    digest: str = field(repr=False)
    scopes: frozenset[Scope]
    created_at: float
    expires_at: float | None = None
    limits: Limits = NO_LIMITS

    def may(self, scope: Scope) -> bool:
        """Whether it has the scope, or one that implies it."""
        return scope in self.scopes or any(scope in _IMPLIED.get(one, ()) for one in self.scopes)

    def has_expired(self, now: float) -> bool:
        """Whether its time has passed."""
        return self.expires_at is not None and now >= self.expires_at

    def is_opened_by(self, token: str) -> bool:
        """Whether this is that very key. Takes the same time whatever differs."""
        return compare_digest(_digest(token), self.digest)

    def to_json(self) -> str:
        """Its form in Redis."""
        return json.dumps({**asdict(self), "scopes": sorted(self.scopes)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The key of that form."""
        fields: Mapping[str, Any] = json.loads(text)
        scopes = frozenset(Scope(scope) for scope in fields["scopes"])
        limits = Limits(**{**fields["limits"], "rates": tuple(fields["limits"]["rates"])})
        return cls(**{**fields, "scopes": scopes, "limits": limits})


def readable(kept: Mapping[str, str]) -> Iterator[ApiKey]:
    """Those of these records, by id, that this release can read: a newer one may know other scopes and limits."""
    for text in kept.values():
        # What cannot be read opens nothing, and keeps no other key from being revoked.
        with suppress(KeyError, TypeError, ValueError):
            yield ApiKey.from_json(text)


def new_key(
    name: str,
    scopes: Iterable[Scope] = (Scope.SUBMIT,),
    *,
    lifetime_seconds: float | None = None,
    limits: Limits = NO_LIMITS,
) -> tuple[str, ApiKey]:
    """A new key, as its owner is given it this once, and as it is kept. `name` must be one (`is_name`)."""
    identifier = "".join(secrets.choice(_ID_DIGITS) for _ in range(_ID_LENGTH))
    body = f"{identifier}_{_in_digits(secrets.randbits(256), _SECRET_LENGTH)}"
    token, now = f"{PREFIX}{body}{_checksum(body)}", time.time()
    expires_at = None if lifetime_seconds is None else now + lifetime_seconds
    return token, ApiKey(identifier, name, _digest(token), frozenset(scopes), now, expires_at, limits)


def id_within(token: str) -> str:
    """Where a key has its id. What is no key has something else there, or nothing."""
    return token[len(PREFIX) : len(PREFIX) + _ID_LENGTH]


def is_whole(token: str) -> bool:
    """Whether this is some key, and not a mistyped or a shortened one."""
    if len(token) != _LENGTH or not token.startswith(PREFIX) or not token.isascii():
        return False
    return _checksum(token[len(PREFIX) : -_CHECK_LENGTH]) == token[-_CHECK_LENGTH:]


def is_name(text: str) -> bool:
    """Whether a key may have this name: letters, digits, dots, dashes and underscores, at most 64."""
    return _NAME.fullmatch(text) is not None


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _checksum(body: str) -> str:
    return _in_digits(zlib.crc32(body.encode()), _CHECK_LENGTH)


def _in_digits(number: int, length: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits.rjust(length, _DIGITS[0])


def _least(values: Iterable[Any]) -> Any:
    return min((value for value in values if value is not None), default=None)
