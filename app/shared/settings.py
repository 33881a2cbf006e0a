"""Every setting of Kavox: the only reader of the environment, but for Kaggle's credentials.

Each key is `KAVOX_` + the field's name in capitals, from the environment or from `.env` in the current directory (the
environment wins); `.env.example` explains them. Settings are passed in, never imported as an object.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.shared.errors import ConfigurationError
from app.shared.kaggle_credentials import find_kaggle_credentials
from app.shared.receivers import AllowedHosts

PREFIX = "KAVOX_"
REAL_KAGGLE = "https://api.kaggle.com"
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_KERNEL_ID = re.compile(r"[A-Za-z0-9-]+/[a-z0-9][a-z0-9-]{1,21}")

KaggleMode = Literal["real", "emulated"]


class Settings(BaseSettings):
    """The values in force. Build it with `load_settings`, which turns what is wrong into one line."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    # Kaggle
    kernel_id: str | None = None
    kaggle_api_url: str | None = None
    deployment_timeout_minutes: float = Field(30, gt=0)
    run_timeout_minutes: float = Field(60, gt=0, le=720)
    polling_interval_seconds: float | None = Field(None, gt=0)
    polling_min_seconds: float | None = Field(None, gt=0)
    retry_interval_seconds: float | None = Field(None, gt=0)
    push_visibility_seconds: float | None = Field(None, ge=0)
    push_timeout_seconds: float | None = Field(None, gt=0)
    keep_kernels: bool = False

    # Runs
    max_sessions: int = Field(2, ge=1)
    max_own_gpu_runs: int = Field(1, ge=1)
    max_cpu_runs: int = Field(4, ge=1)
    batch_max_items: int = Field(100, ge=1)
    batch_max_speech_seconds: float = Field(900, gt=0)
    batch_window_seconds: float = Field(2, ge=0)
    workers: int = Field(3, ge=1, le=64)
    local_input_dir: Path | None = None

    # Jobs
    max_text_chars: int = Field(20_000, ge=1)
    max_waiting_jobs: int = Field(100_000, ge=1)
    max_wait_hours: float = Field(168, gt=0)
    quota_reserve_hours: float = Field(0, ge=0)
    result_ttl_hours: float = Field(168, gt=0)
    cache_max_megabytes: float = Field(2000, ge=0)

    # The service
    redis_url: str | None = None
    redis_embedded: bool = False
    cors_origins: str = ""
    data_dir: Path = Path("data")
    audio_url: str | None = None
    notebooks_dir: Path = Path(__file__).parents[2] / "notebooks"
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    openai_wait_seconds: float = Field(540, gt=0)
    heartbeat_seconds: float = Field(15, gt=0)
    webhook_allowed_hosts: str = ""
    webhook_retry_seconds: float = Field(5, gt=0)
    webhook_timeout_seconds: float = Field(15, gt=0, le=60)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    # The command line, as the client of a service
    url: str | None = None
    api_key: str | None = Field(None, repr=False)

    # The emulator that `kavox serve` starts
    emulator_username: str = "emulator"
    emulator_key: str = "emulator"
    emulator_queue_seconds: float = Field(0, ge=0)
    emulator_boot_seconds: float = Field(0, ge=0)
    emulator_tail_seconds: float = Field(0, ge=0)
    emulator_time_scale: float = Field(1, ge=0)
    emulator_visibility_lag_seconds: float = Field(0, ge=0)
    emulator_dataset_seconds: float = Field(0, ge=0)
    emulator_python: Path | None = None
    emulator_input_dir: Path | None = None
    emulator_runs_gpu_providers: bool = False

    @field_validator("kernel_id")
    @classmethod
    def _owner_and_prefix(cls, value: str | None) -> str | None:
        if value and not _KERNEL_ID.fullmatch(value):
            raise ValueError("must look like owner/prefix; the prefix has 2 to 22 small letters, digits and dashes")
        return value or None

    @field_validator("local_input_dir", "emulator_input_dir", mode="before")
    @classmethod
    def _no_folder(cls, value: object) -> object:
        # An empty path would be the current directory.
        return value or None

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, value: str | None) -> str | None:
        if value and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must look like redis://host:6379/0")
        return value or None

    @field_validator("kaggle_api_url", "url")
    @classmethod
    def _http_address(cls, value: str | None, field: ValidationInfo) -> str | None:
        if value and urlsplit(value).scheme not in {"http", "https"}:
            raise ValueError(f"must look like http://127.0.0.1:{8000 if field.field_name == 'url' else 7777}")
        return value.rstrip("/") if value else None

    @model_validator(mode="after")
    def _origins(self) -> Self:
        _ = self.allowed_origins
        return self

    @model_validator(mode="after")
    def _webhook_hosts(self) -> Self:
        _ = self.webhook_receivers
        return self

    @model_validator(mode="after")
    def _gaps_in_order(self) -> Self:
        shortest, longest = self.polling
        if shortest > longest:
            raise ValueError(
                f"KAVOX_POLLING_MIN_SECONDS={shortest:g} is longer than KAVOX_POLLING_INTERVAL_SECONDS={longest:g}"
            )
        return self

    @property
    def open_to(self) -> str | None:
        """Who could reach the service besides this machine, so that it serves nobody without keys."""
        if not is_loopback(self.host):
            return f"KAVOX_HOST={self.host} is open to the network"
        return "KAVOX_CORS_ORIGINS=* lets every page in that is opened here" if "*" in self.allowed_origins else None

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Origins whose pages may use the API; `*` is all of them."""
        origins = tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"KAVOX_CORS_ORIGINS: {origin} is no origin; it must look like https://example.org")
        return origins

    @property
    def webhook_receivers(self) -> AllowedHosts:
        """Where webhooks may be sent to beside the internet's https."""
        return AllowedHosts.parse(self.webhook_allowed_hosts)

    @property
    def kaggle_mode(self) -> KaggleMode | None:
        """`real` for Kaggle itself, `emulated` for any other address, None when nothing says which.

        Credentials say it too. An API process needs none: it never speaks to Kaggle, so naming Kaggle is enough.
        """
        if self.kaggle_api_url:
            return "real" if self.kaggle_api_url == REAL_KAGGLE else "emulated"
        return "real" if find_kaggle_credentials() else None

    @property
    def kaggle_host(self) -> str:
        """The name of the host that stands for Kaggle: `kaggle`, or `emulator` so that nobody mistakes its audio."""
        return "emulator" if self.kaggle_mode == "emulated" else "kaggle"

    @property
    def kernel_prefix(self) -> str:
        """What the slugs of this installation's kernels and datasets begin with."""
        return (self.kernel_id or "").rpartition("/")[2] or "kavox"

    @property
    def polling(self) -> tuple[float, float]:
        """Shortest and longest gap between two status polls, in seconds."""
        shortest, longest = (0.2, 0.5) if self.kaggle_mode == "emulated" else (5.0, 60.0)
        return self.polling_min_seconds or shortest, self.polling_interval_seconds or longest

    @property
    def retry_seconds(self) -> float:
        """Base of the jittered backoff, in seconds."""
        return self.retry_interval_seconds or (1.0 if self.kaggle_mode == "emulated" else 60.0)

    @property
    def push_timeout(self) -> float:
        """How long a push may take before it counts as uncertain, in seconds."""
        return self.push_timeout_seconds or (10.0 if self.kaggle_mode == "emulated" else 120.0)

    @property
    def push_visibility(self) -> float:
        """How long an accepted push may stay invisible, in seconds."""
        if self.push_visibility_seconds is not None:
            return self.push_visibility_seconds
        return self.emulator_visibility_lag_seconds + 1 if self.kaggle_mode == "emulated" else 120.0


def load_settings(**overrides: object) -> Settings:
    """The settings from the environment, `.env` and `overrides` (field names).

    Raises ConfigurationError with one line that names every wrong key.
    """
    _refuse_unknown_keys()
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks the types, that is what it is for
    except ValidationError as error:
        raise ConfigurationError(
            "; ".join(_line(problem["loc"], problem["msg"]) for problem in error.errors())
        ) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on this host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _line(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{PREFIX}{str(location[0]).upper()}: {message}" if location else message


def _refuse_unknown_keys() -> None:
    """A misspelt key would otherwise be ignored in silence."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = {key.upper() for key in (*os.environ, *_keys_of(Path(".env"))) if key.upper().startswith(PREFIX)}
    for key in sorted(given - known):
        if key == PREFIX + "API_KEYS":
            raise ConfigurationError(f"{key} is no setting any more: make keys with `kavox keys create NAME`")
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; .env.example lists all settings"
        raise ConfigurationError(f"unknown setting {key}{hint}")


def _keys_of(file: Path) -> Iterable[str]:
    """What the file has values for, if it is there. What may not be read is not taken for what is not there."""
    try:
        # Python's own is_file() fails in a folder that is closed to us, or says no, as its version has it.
        file.stat()
        return dotenv_values(file)
    except FileNotFoundError:
        return ()
    except OSError as error:
        remedy = "it must be open to the user of this process, or another be the current folder"
        raise ConfigurationError(f"{file.absolute()} cannot be read: {error.strerror}; {remedy}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file.absolute()} is not text in UTF-8; convert it") from None
