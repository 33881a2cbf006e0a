"""Scripted sessions of a service's emulator, led by hand: nothing is executed; what a notebook gives is made here.

The items are read where Kaggle shows them, in the source of the pushed kernel, so that what comes back names the very
jobs that were pushed.
"""

import base64
import contextlib
import hashlib
import io
import json
import math
import struct
import threading
import wave
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import httpx

from tests.service import Service, wait_for

RATE = 16_000
State = str | tuple[str, float]


class Puppets:
    """The scripted sessions of one service, whose emulator is asked and told over HTTP."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._http = httpx.Client(base_url=service.emulator(), auth=("emulator", "emulator"), timeout=30)

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def script(self, *states: State, times: int | None = 1, **script: object) -> None:
        """Scripts the next pushes: states, each for its seconds. The default is a session that never ends."""
        named = _states(states or ("RUNNING",))
        self._http.post("/control/scripts", json=[{"times": times, "states": named, **script}]).raise_for_status()

    def lead(self, slug: str, *states: State, **script: object) -> None:
        """Gives the session of this kernel another script, from now on."""
        self._http.put(
            f"/control/scripts/{slug}", json={"states": _states(states), **script}, timeout=60
        ).raise_for_status()

    def account(self, **settings: object) -> None:
        """What else goes on in the account."""
        self._http.post("/control/account", json=settings).raise_for_status()

    def clear(self) -> None:
        """Ends what is scripted for pushes and calls to come."""
        for part in ("faults", "scripts", "account"):
            self._http.delete(f"/control/{part}").raise_for_status()

    def kernels(self) -> list[str]:
        """The slugs of kernels that were not deleted."""
        return [kernel["slug"] for kernel in self._kernels()]

    def running(self) -> list[str]:
        """Those with a session that has a machine."""
        return [kernel["slug"] for kernel in self._kernels() if kernel["status"] == "RUNNING"]

    def calls(self, name: str) -> int:
        """How often a call was made."""
        calls: int = self._stats()["calls"].get(name, 0)
        return calls

    def downloads(self) -> int:
        """How many files were fetched."""
        return sum(self._stats()["downloads"].values())

    def pushes(self) -> int:
        """How many pushes were accepted."""
        pushes: int = self._stats()["pushes_accepted"]
        return pushes

    def kernel_of(self, job_id: str) -> str:
        """The slug of the kernel that the job's run was pushed to, once it is."""

        def pushed() -> str | None:
            run = self._service.job(job_id)["run"] or {}
            return (run.get("kernel") or "").rpartition("/")[2] or None

        return wait_for(f"a kernel for job {job_id}", pushed)

    def parameters(self, slug: str) -> dict[str, Any]:
        """RUN of the pushed notebook."""
        answer = self._http.post(
            "/v1/kernels.KernelsApiService/GetKernel", json={"userName": "emulator", "kernelSlug": slug}
        )
        cells = json.loads(answer.raise_for_status().json()["blob"]["source"])["cells"]
        source = next(cell["source"] for cell in cells if "parameters" in cell["metadata"].get("tags", []))
        parameters: dict[str, Any] = json.loads(json.loads(source.partition("json.loads(")[2].rstrip(")")))
        return parameters

    def outputs(self, slug: str, seconds: float = 0.5) -> dict[str, Any]:
        """What the notebook would leave: a beep for each item, and result.json."""
        run, beep = self.parameters(slug), wav(seconds)
        entries = [
            {
                "id": item["id"], "status": "succeeded", "file": f"{item['id']}.wav",
                "sha256": hashlib.sha256(beep).hexdigest(), "sample_rate": RATE, "duration_seconds": seconds,
                "seconds": 0.1, "error": None,
            }
            for item in run["items"]
        ]  # fmt: skip
        result = {name: run[name] for name in ("run_id", "provider", "model")}
        result |= {"engine": {"name": "puppet", "version": "1"}, "device": "cpu", "items": entries}
        content = {"base64": base64.b64encode(beep).decode()}
        return {"result.json": {"json": result}, **{entry["file"]: content for entry in entries}}

    def finish(self, slug: str, seconds: float = 0.5) -> None:
        """Ends the session of this kernel as a notebook that has spoken everything."""
        self.lead(slug, "COMPLETE", outputs=self.outputs(slug, seconds))

    @contextlib.contextmanager
    def finishing_all(self, seconds: float = 0.5) -> Iterator[None]:
        """Meanwhile every session is finished as soon as it has a machine."""
        over = threading.Event()

        def keep_finishing() -> None:
            while not over.wait(0.05):
                # A kernel may be deleted at any time, and the emulator be away for a moment.
                with contextlib.suppress(httpx.HTTPError):
                    for slug in self.running():
                        self.finish(slug, seconds)

        thread = threading.Thread(target=keep_finishing, name="puppets", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(timeout=60)

    def _stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self._http.get("/control/stats").raise_for_status().json()
        return stats

    def _kernels(self) -> list[dict[str, str]]:
        kernels: list[dict[str, str]] = self._stats()["kernels"]
        return kernels


@cache
def wav(seconds: float) -> bytes:
    """A beep, as loud as speech may be."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        samples = (int(9000 * math.sin(number / 9)) for number in range(int(RATE * seconds)))
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


def _states(states: Sequence[State]) -> list[dict[str, Any]]:
    return [
        {"status": state} if isinstance(state, str) else {"status": state[0], "seconds": state[1]} for state in states
    ]
