"""Real processes for the tests of the stack, and how to wait for them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

KAVOX = Path(sys.executable).with_name("kavox")


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Waits until the condition is true; fails with `what` when it does not become so in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def clean_environment(home: Path, **settings: object) -> Mapping[str, str]:
    """This process' environment without any setting or credential, and with these settings (KAVOX_… left off)."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KAVOX_", "KAGGLE_"))}
    return inherited | {"HOME": str(home)} | {f"KAVOX_{name}": str(value) for name, value in settings.items()}


def kavox(folder: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Runs one `kavox` command to its end, in `folder`."""
    return subprocess.run(
        [KAVOX, *arguments],
        cwd=folder,
        env=clean_environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Serve:
    """One `kavox serve` on `folder`/data and a free port."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.data_dir = folder / "data"
        self._output = folder / "serve.out"
        self._seen: set[psutil.Process] = set()
        with self._output.open("w") as output, (folder / "serve.err").open("w") as errors:
            self.process = subprocess.Popen(
                [KAVOX, "serve"],
                cwd=folder,
                env=clean_environment(folder, **{"PORT": 0, "WORKERS": 1} | settings),
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def banner(self) -> str:
        """What it has said on stdout."""
        return self._output.read_text()

    @property
    def url(self) -> str:
        """Its address, as the banner says it."""
        return next(word for word in self.banner.split() if word.startswith("http://"))

    @property
    def valkey(self) -> int:
        """The process number of its embedded server."""
        named = self.data_dir / "valkey" / "lock"
        # It is empty for a moment while a server is started anew.
        wait_until(lambda: named.exists() and named.read_text(), "the server's process number")
        return int(named.read_text())

    def wait_until_ready(self) -> None:
        """Waits for the banner."""
        wait_until(lambda: "Data" in self.banner or self.process.poll() is not None, "the banner", 60)
        assert self.process.poll() is None, (self._output.with_suffix(".err")).read_text()
        self._seen |= self.children()

    def children(self) -> set[psutil.Process]:
        """The processes that it has started."""
        return set(psutil.Process(self.process.pid).children())

    def end_everything(self) -> None:
        """Kills whatever still runs, by process number."""
        if self.process.poll() is None:
            self._seen |= self.children()
            self.process.kill()
            self.process.wait()
        for each in self._seen:
            if each.is_running():
                each.kill()
        # An adopted server is nobody's child.
        named = self.data_dir / "valkey" / "lock"
        if named.exists() and named.read_text() and lives(self.valkey):
            os.kill(self.valkey, signal.SIGKILL)
