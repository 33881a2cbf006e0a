"""What `kavox doctor` says of the keys: whether anybody is served at all."""

import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from app.exit_codes import ServiceUnreachable
from app.own_redis import own_redis
from app.shared.api_key import ApiKey
from app.shared.api_key_store import ApiKeyStore
from app.shared.errors import ConfigurationError
from app.shared.finding import Finding
from app.shared.settings import Settings, is_loopback

_MAKE = "make one with `kavox keys create NAME`"


def keys(settings: Settings, *, offline: bool) -> Iterator[Finding]:
    """The keys of this installation, as far as its Redis can be asked; why it cannot is another check's to say."""
    host = urlsplit(settings.redis_url or "").hostname
    if offline and host and not is_loopback(host):
        return
    try:
        known = _known(settings)
    except (ServiceUnreachable, ConfigurationError):
        return
    expired = sum(key.has_expired(time.time()) for key in known)
    told = f"{len(known)} of {len({key.name for key in known})} names, {expired} expired"
    if known and expired == len(known):
        yield Finding.failed("keys", f"{told}: nobody is served", _MAKE)
    elif known:
        yield Finding.ok("keys", f"{told}; every request needs one")
    elif settings.open_to:
        yield Finding.failed("keys", f"none, and {settings.open_to}: nobody is served", _MAKE)
    else:
        yield Finding.ok("keys", "none: this machine alone is served, and needs none")


def _known(settings: Settings) -> Sequence[ApiKey]:
    # A doctor leaves nothing behind, not even an empty server's files.
    if settings.redis_url is None and not (settings.data_dir / "valkey").exists():
        return []
    with own_redis(settings) as redis:
        return ApiKeyStore(redis).list()
