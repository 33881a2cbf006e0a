"""The emulator's options: from the command line, else from KAVOX_EMULATOR_*, else the defaults."""

import argparse
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from workers.emulator.auth import Account
from workers.emulator.clock import Clock


@dataclass(frozen=True)
class Options:
    """What an emulator is started with; port 0 takes a free one.

    `python` executes the notebooks' cells; what is in `input_dir` every session finds among its inputs.
    """

    host: str
    port: int
    data_dir: Path
    account: Account
    clock: Clock
    visibility_lag_seconds: float
    dataset_seconds: float
    python: Path
    input_dir: Path | None


class Parser(argparse.ArgumentParser):
    """Says what is wrong with an option in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"The emulator cannot start: {message}.\n")


def read_options(arguments: Sequence[str], environ: Mapping[str, str]) -> Options:
    """The options; a wrong one ends the process with one line."""
    parser = Parser(prog="python -m workers.emulator", description="A stand-in for Kaggle's kernels API.")

    def option(name: str, default: str, help_text: str, kind: type = str) -> None:
        variable = "KAVOX_EMULATOR_" + name.upper().replace("-", "_")
        parser.add_argument(
            f"--{name}",
            type=kind,
            default=environ.get(variable, default),
            help=f"{help_text} (default {default}; {variable})",
        )

    option("host", "127.0.0.1", "loopback address to listen on")
    option("port", "7777", "port to listen on; 0 takes a free one", int)
    option("data-dir", "data/emulator", "where kernels, outputs and bills are kept", Path)
    option("username", "emulator", "the account")
    option("key", "emulator", "the account's key, and its token")
    option("queue-seconds", "0", "time that a session is QUEUED", float)
    option("boot-seconds", "0", "time from RUNNING to the first cell", float)
    option("tail-seconds", "0", "time from the last cell to the end", float)
    option("time-scale", "1", "factor on the cells' own time", float)
    option("visibility-lag-seconds", "0", "time that a new kernel cannot be read", float)
    option("dataset-seconds", "0", "time that a new version of a dataset is processed", float)
    option("python", sys.executable, "interpreter of the notebooks; it needs ipykernel", Path)
    option("input-dir", "", "folder whose contents every session sees among its inputs")
    given = parser.parse_args(arguments)
    if not _loopback(given.host):
        parser.error(f"it runs pushed code and listens on loopback only, not on {given.host}")
    clock = Clock(given.queue_seconds, given.boot_seconds, given.tail_seconds, given.time_scale)
    lags = (given.visibility_lag_seconds, given.dataset_seconds)
    if min(clock.queue_seconds, clock.boot_seconds, clock.tail_seconds, clock.time_scale, *lags) < 0:
        parser.error("its times cannot be negative")
    account = Account(given.username, given.key)
    input_dir = Path(given.input_dir).resolve() if given.input_dir else None
    if input_dir is not None and not input_dir.is_dir():
        parser.error(f"there is no folder {input_dir}")
    # Not resolved: in a virtual environment that would be the interpreter outside it.
    python = given.python.absolute()
    if not os.access(python, os.X_OK):
        parser.error(f"{python} is no interpreter")
    return Options(
        given.host,
        given.port,
        given.data_dir.resolve(),
        account,
        clock,
        given.visibility_lag_seconds,
        given.dataset_seconds,
        python,
        input_dir,
    )


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
