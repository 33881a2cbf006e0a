"""`kavox serve`: the whole service on one machine, under one supervisor.

    valkey       unless KAVOX_REDIS_URL names a server
    emulator     unless there are Kaggle credentials, or KAVOX_KAGGLE_API_URL names a service
    worker-1 …   KAVOX_WORKERS of them
    api          the HTTP face

They stop in the reverse order, so that nobody loses what he still needs. After a `kill -9` of the supervisor its
children end by themselves, save Valkey, which the next stack adopts.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import structlog
import typer
from redis.exceptions import RedisError

from app import programs
from app.client import Client
from app.embedded import EmbeddedServer
from app.exit_codes import ServiceUnreachable
from app.own_redis import own_redis
from app.ports import LOOPBACK, address, free_port
from app.premises import occupied
from app.shared.addresses import without_secrets
from app.shared.api_key_store import ApiKeyStore
from app.shared.errors import ConfigurationError, Permanent
from app.shared.logs import set_up_logs
from app.shared.provider import load_providers
from app.shared.redis_client import connect_for_command
from app.shared.settings import Settings, load_settings
from app.supervisor import CHECK_SECONDS, StopRequests, Supervisor

_EARLY_FAILURES = 5
"""How often in a row a process may end early before the stack gives up."""
_REMINDER_SECONDS = 10

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def serve() -> None:
    """Runs the stack until Ctrl-C or SIGTERM. Raises ConfigurationError when it cannot run with these settings."""
    chosen = load_settings()
    set_up_logs(chosen.log_level, "serve")
    # Looked at before anything starts, so that what is wrong with them is said once.
    load_providers(chosen.notebooks_dir)
    _check_keys(chosen)
    with StopRequests() as requests, occupied(chosen) as settings, Stack(settings, requests) as stack:
        stack.start()
        if stack.wait_until_ready():
            typer.echo(stack.banner())
            stack.restart_for_ever()
        stack.watch_until(requests.stop)
        typer.echo("Kavox stops; Ctrl-C again to hurry.")


def _check_keys(settings: Settings) -> None:
    """Raises ConfigurationError where others could reach a service that nobody has a key for."""
    if settings.open_to is None:
        return
    try:
        with own_redis(settings) as redis:
            known = ApiKeyStore(redis).list()
    except ServiceUnreachable:
        # It may come back; until a key is found the API serves nobody.
        return
    if not known:
        raise ConfigurationError(
            f"{settings.open_to}, so every request needs a key, and there is none; make one with `kavox keys create "
            "NAME`, or leave that setting out: then this machine alone is served"
        )


class Stack:
    """All processes of the service. Leaving its context stops them, in order."""

    def __init__(self, settings: Settings, requests: StopRequests, logs: Path | None = None) -> None:
        """With `logs` what the processes print goes into files there, else to our stderr."""
        self._settings = settings
        self._requests = requests
        self._logs = logs
        self._supervisor = Supervisor(give_up_after=_EARLY_FAILURES)
        self._embedded: EmbeddedServer | None = None
        self._emulator: Client | None = None
        self._client = Client(self.address, direct=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.stop(hurry=self._requests.hurry)
        self._client.close()
        if self._emulator is not None:
            self._emulator.close()

    @property
    def address(self) -> str:
        """Where the API is reached from this machine."""
        return address(self._settings.host, self._settings.port)

    def start(self) -> None:
        """Starts every process; the workers and the API as soon as Redis answers.

        Raises ConfigurationError or Permanent when one of them cannot run.
        """
        if self._settings.redis_url is None:
            self._start_embedded_server()
        if self._settings.kaggle_mode is None and self._settings.kaggle_api_url is None:
            self._start_emulator()
        if self._embedded is None or self.watch_until(self._embedded.answers):
            self._supervisor.start(*programs.workers(self._settings, self._logs))
            self._supervisor.start(programs.api(self._settings, self._logs))

    def wait_until_ready(self, limit_seconds: float = math.inf) -> bool:
        """Whether the service is ready; False when asked to stop before. The log tells what takes long.

        Raises Permanent when it takes longer than the limit, and what `check` raises.
        """
        began, reminder = time.monotonic(), _REMINDER_SECONDS
        while self.check():
            missing = self._missing()
            if missing is None:
                return True
            waited = time.monotonic() - began
            if waited > limit_seconds:
                raise Permanent(f"Kavox was not ready within {limit_seconds:.0f} s: {missing}")
            if waited > reminder:
                log.warning("not ready yet", missing=missing)
                reminder += _REMINDER_SECONDS
            time.sleep(CHECK_SECONDS)
        return False

    def watch_until(self, done: Callable[[], bool]) -> bool:
        """Keeps the processes running until `done`; False when asked to stop before. Raises what `check` raises."""
        while self.check():
            if done():
                return True
            time.sleep(CHECK_SECONDS)
        return False

    def check(self) -> bool:
        """Starts again what has ended; False when asked to stop.

        Raises ConfigurationError or Permanent when a process cannot run.
        """
        self._supervisor.check()
        return not self._requests.stop()

    def restart_for_ever(self) -> None:
        """From now on no process is given up: what has run before may run again."""
        self._supervisor.give_up_after = None

    def banner(self) -> str:
        """What runs, and where: a few lines for the person who started it."""
        return "\n".join(
            [
                f"Kavox is ready at {self.address} (open it in a browser; the API is at {self.address}/docs)",
                f"  Redis    {self._redis_in_words()}",
                f"  Kaggle   {self.kaggle_in_words()}",
                f"  Keys     {self._keys_in_words()}",
                f"  Workers  {self._settings.workers}",
                f"  Data     {self._settings.data_dir}",
            ]
        )

    def kaggle_in_words(self) -> str:
        """Which Kaggle runs the notebooks."""
        if self._emulator is not None:
            return "EMULATED: notebooks run on this machine's CPU (no Kaggle credentials were found)"
        if self._settings.kaggle_mode == "emulated":
            return f"EMULATED by {without_secrets(str(self._settings.kaggle_api_url))}"
        return "the real one, with the credentials found for Kaggle's own client"

    def _start_embedded_server(self) -> None:
        directory = self._settings.data_dir / "valkey"
        try:
            self._embedded = EmbeddedServer(directory)
        except OSError as error:
            raise ConfigurationError(f"KAVOX_DATA_DIR: cannot write to {directory}: {error.strerror}") from None
        self._supervisor.start(self._embedded)
        self._settings = self._settings.model_copy(update={"redis_url": self._embedded.url, "redis_embedded": True})

    def _start_emulator(self) -> None:
        port = free_port(LOOPBACK)
        self._supervisor.start(programs.emulator(self._settings, port, self._logs))
        self._emulator = Client(f"http://{LOOPBACK}:{port}")
        self._settings = self._settings.model_copy(update={"kaggle_api_url": f"http://{LOOPBACK}:{port}"})

    def _missing(self) -> str | None:
        if self._emulator is not None and not self._emulator.lives():
            return "the emulator does not answer yet"
        return self._client.missing()

    def _count_keys(self) -> int | None:
        """How many keys there are; None when Redis does not say."""
        try:
            with connect_for_command(str(self._settings.redis_url)) as redis:
                return len(ApiKeyStore(redis).list())
        except RedisError:
            return None

    def _keys_in_words(self) -> str:
        count = self._count_keys()
        if count is None:
            return "unknown, Redis does not answer"
        if count:
            return f"{count}; every request needs one, from this machine too (kavox keys list)"
        return "none, so only this machine is served, and needs none (kavox keys create NAME)"

    def _redis_in_words(self) -> str:
        if self._embedded is not None:
            state = "found running" if self._embedded.adopted else "started"
            return f"embedded Valkey ({state}), kept in {self._settings.data_dir / 'valkey'}"
        return without_secrets(str(self._settings.redis_url))
