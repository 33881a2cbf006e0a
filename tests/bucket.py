"""An object store on this machine that speaks S3 over HTTP: moto's server, another's reading of that protocol."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

from app.ports import LOOPBACK, free_port
from tests.service import wait_for


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of that server, and what a process must find in its environment to use it."""

    endpoint: str
    url: str = "s3://speech/of/kavox"

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "may come in",
        }

    def names(self) -> list[str]:
        """Of all that is in it."""
        listing = httpx.get(f"{self.endpoint}/speech", params={"list-type": "2"}).raise_for_status().text
        return [part.partition("</Key>")[0] for part in listing.split("<Key>")[1:]]


@contextlib.contextmanager
def bucket() -> Iterator[Bucket]:
    """A server with a bucket, until the block ends."""
    port = free_port(LOOPBACK)
    endpoint = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "moto.server", "--host", LOOPBACK, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:

        def made() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.put(f"{endpoint}/speech").is_success
            return False

        try:
            wait_for("the object store", made)
            yield Bucket(endpoint)
        finally:
            server.terminate()
