"""What the emulator's tests drive it with: its own process, Kaggle's command line and Kaggle's SDK."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import nbformat
from kagglesdk.kaggle_env import KaggleEnv
from kagglesdk.kaggle_http_client import KaggleHttpClient
from kagglesdk.kernels.services.kernels_api_service import KernelsApiClient
from kagglesdk.kernels.types.kernels_api_service import (
    ApiDeleteKernelRequest,
    ApiGetKernelRequest,
    ApiGetKernelSessionStatusRequest,
    ApiListKernelSessionOutputRequest,
    ApiListKernelsRequest,
    ApiSaveKernelRequest,
)
from kagglesdk.kernels.types.kernels_enums import KernelsListViewType

KAGGLE = str(Path(sys.executable).with_name("kaggle"))
OWNER = "tester"
KEY = "sesame"
PATIENCE_SECONDS = 60.0

# One for all, because each new client reads the machine's certificates first.
HTTP = httpx.Client(timeout=30)

T = TypeVar("T")


def wait_for(condition: Callable[[], T | None]) -> T:
    """The first true value of the condition."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def notebook(*cells: str, kernelspec: bool = True) -> str:
    """The source of a notebook with these code cells."""
    v4: Any = nbformat.v4
    document = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    if kernelspec:
        document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return str(v4.writes(document, split_lines=False))


def push_request(slug: str, source: str, **fields: Any) -> ApiSaveKernelRequest:
    """A push as a careful client makes it; `fields` replace what it sets."""
    request = ApiSaveKernelRequest()
    settings: dict[str, Any] = {
        "slug": f"{OWNER}/{slug}",
        "new_title": slug.replace("-", " "),
        "text": source,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": False,
        "enable_internet": True,
    }
    for name, value in (settings | fields).items():
        setattr(request, name, value)
    return request


@dataclass
class Emulator:
    """An emulator in a process of its own, and the two official ways to reach it."""

    data_dir: Path
    options: dict[str, Any] = field(default_factory=dict)
    port: int = 0

    def start(self) -> "Emulator":
        command = [sys.executable, "-m", "workers.emulator", "--data-dir", str(self.data_dir), "--port", str(self.port)]
        for name, value in {"username": OWNER, "key": KEY, **self.options}.items():
            command += [f"--{name}", str(value)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        ready = re.search(r"http://127\.0\.0\.1:(\d+)", self._process.stdout.readline())
        assert ready is not None
        self.url, self.port = ready[0], int(ready[1])
        return self

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        self._process.send_signal(signal_number)
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    # Kaggle's command line

    def environment(self) -> dict[str, str]:
        """How the command line is pointed here: as a proxy for http://localhost/api."""
        kept = {name: value for name, value in os.environ.items() if not re.search("proxy|kaggle", name, re.I)}
        return kept | {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "http_proxy": self.url,
            "KAGGLE_USERNAME": OWNER,
            "KAGGLE_KEY": KEY,
            "KAGGLE_CONFIG_DIR": str(self.data_dir / "kaggle-config"),
            "HOME": str(self.data_dir),
        }

    def kaggle(self, *arguments: str, group: str = "kernels") -> str:
        """What `kaggle kernels …` prints, or `kaggle datasets …`."""
        done = subprocess.run(
            [KAGGLE, group, *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return done.stdout + done.stderr

    # Kaggle's SDK

    def http(self, **credentials: str) -> KaggleHttpClient:
        http = KaggleHttpClient(env=KaggleEnv.TEST, **(credentials or {"username": OWNER, "password": KEY}))
        http._endpoint = self.url
        return http

    def client(self, **credentials: str) -> KernelsApiClient:
        return KernelsApiClient(self.http(**credentials))

    def push(self, slug: str, source: str, **fields: Any) -> Any:
        return self.client().save_kernel(push_request(slug, source, **fields))

    def status(self, slug: str, label: str | None = None) -> str:
        request = self._named(ApiGetKernelSessionStatusRequest(), slug, label)
        return str(self.client().get_kernel_session_status(request).status.name)

    def wait_until_ended(self, slug: str, label: str | None = None) -> str:
        def ended() -> str | None:
            status = self.status(slug, label)
            return None if status in {"QUEUED", "RUNNING"} else status

        return wait_for(ended)

    def outputs(self, slug: str, label: str | None = None, **paging: Any) -> Any:
        request = self._named(ApiListKernelSessionOutputRequest(), slug, label)
        for name, value in paging.items():
            setattr(request, name, value)
        return self.client().list_kernel_session_output(request)

    def get(self, slug: str, label: str | None = None) -> Any:
        return self.client().get_kernel(self._named(ApiGetKernelRequest(), slug, label))

    def delete(self, slug: str) -> None:
        self.client().delete_kernel(self._named(ApiDeleteKernelRequest(), slug))

    def listed(self, **fields: Any) -> Any:
        request = ApiListKernelsRequest()
        request.group = KernelsListViewType.PROFILE
        for name, value in fields.items():
            setattr(request, name, value)
        return self.client().list_kernels(request)

    @staticmethod
    def _named(request: Any, slug: str, label: str | None = None) -> Any:
        request.user_name, request.kernel_slug = OWNER, slug
        if label is not None:
            request.version_label = label
        return request

    # Plain HTTP

    def output_text(self, slug: str, name: str) -> str:
        """The text of one output file."""
        urls = {file.file_name: file.url for file in self.outputs(slug).files}
        return HTTP.get(urls[name]).raise_for_status().text

    def log(self, slug: str) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = json.loads(self.outputs(slug).log)
        return records

    def stats(self) -> dict[str, Any]:
        statistics: dict[str, Any] = HTTP.get(f"{self.url}/control/stats").json()
        return statistics

    def fault(self, **fault: Any) -> None:
        HTTP.post(f"{self.url}/control/faults", json=[fault]).raise_for_status()

    def script(self, *states: str | tuple[str, float], **script: Any) -> None:
        """Scripts the next push: states, each for its seconds, instead of an execution."""
        HTTP.post(f"{self.url}/control/scripts", json=[script | _states(states)]).raise_for_status()

    def lead_on(self, slug: str, *states: str | tuple[str, float], **script: Any) -> None:
        """Gives the scripted session of this kernel another script, from now on."""
        HTTP.put(f"{self.url}/control/scripts/{slug}", json=script | _states(states)).raise_for_status()

    def account(self, **settings: Any) -> None:
        """Sets what goes on in the account beside these kernels."""
        HTTP.post(f"{self.url}/control/account", json=settings).raise_for_status()

    def clear(self) -> None:
        """Ends everything that is scripted, and every kernel."""
        for part in ("faults", "scripts", "account"):
            HTTP.delete(f"{self.url}/control/{part}").raise_for_status()
        for kernel in self.stats()["kernels"]:
            self.delete(kernel["slug"])


def _states(states: tuple[str | tuple[str, float], ...]) -> dict[str, Any]:
    named = [
        {"status": state} if isinstance(state, str) else {"status": state[0], "seconds": state[1]} for state in states
    ]
    return {"states": named} if named else {}
