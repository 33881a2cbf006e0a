"""The API's own log: a line for each request, and never what is in one."""

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from app.shared import keys
from tests.app.api_process import serving
from tests.app.conftest import Headers, Place

MARK = "zebra7crossing"
TEXT = f"A {MARK} speaks."
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logged")


@pytest.fixture
def lines(guarded_place: Place, guarded_redis: Redis, headers: Headers, folder: Path) -> list[dict[str, Any]]:
    """What an API process with keys has logged of a few requests, good and bad."""
    with serving(folder, **guarded_place.settings | {"log_level": "debug"}) as api:
        api.headers.update(headers.anne)
        _be_asked(api, guarded_redis)
    log = (folder / "api.log").read_text()
    assert headers.anne_key not in log
    return [json.loads(line) for line in log.splitlines()]


def _be_asked(api: httpx.Client, redis: Redis) -> None:
    job = api.post("/synthesize", json={"text": TEXT}, headers={"X-Request-ID": "first"}).json()
    api.get(f"/jobs/{job['id']}", params={"note": MARK}, headers={"X-Request-ID": "second"})
    api.post("/synthesize", json={"text": TEXT, MARK: 1, "seed": MARK}, headers={"X-Request-ID": "refused"})
    api.post("/synthesize", content=f'{{"text": "{MARK}', headers={"X-Request-ID": "broken", **JSON})
    api.get("/jobs", headers={"Authorization": f"Bearer {MARK}", "X-Request-ID": "stranger"})
    api.post("/v1/audio/speech", json={"model": MARK, "voice": MARK, "input": TEXT})
    api.post("/voices", data={"name": MARK, "transcript": TEXT}, files={"audio": ("a.wav", MARK.encode())})
    _pipelined(api, job["id"])
    # As nobody could have written it: reading it raises an error that says what could not be read.
    created = redis.hget(keys.JOB + job["id"], "created_at")
    redis.hset(keys.JOB + job["id"], "created_at", MARK)
    assert api.get(f"/jobs/{job['id']}", headers={"X-Request-ID": "mistake"}).status_code == 500
    # Others use this Redis too.
    redis.hset(keys.JOB + job["id"], "created_at", str(created))


def _pipelined(api: httpx.Client, job_id: str) -> None:
    """Two requests in one piece; the second one has no key."""
    key = f"Authorization: {api.headers['authorization']}"
    first = f"GET /jobs/{job_id} HTTP/1.1\r\nHost: x\r\nX-Request-ID: ahead\r\n{key}"
    second = "GET /jobs HTTP/1.1\r\nHost: x\r\nX-Request-ID: behind\r\nConnection: close"
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=10) as connection:
        connection.sendall(f"{first}\r\n\r\n{second}\r\n\r\n".encode())
        assert b" 401 " in connection.makefile("rb").read()


def test_the_log_has_a_line_for_each_request_and_nothing_that_was_sent(lines: list[dict[str, Any]]) -> None:
    """Id, method, path, status, duration, caller and job; no text, key, query or body, and no value of a variable."""
    requests = {line["request_id"]: line for line in lines if line["event"] == "request"}
    first = requests["first"]
    assert (first["method"], first["path"], first["status"]) == ("POST", "/synthesize", 202)
    assert (first["caller"], first["process"], first["level"]) == ("anne", "api", "info")
    assert 0 <= first["seconds"] < 30
    assert requests["second"]["path"] == f"/jobs/{first['job']}"
    assert requests["second"]["job"] == first["job"]
    assert requests["ahead"]["caller"] == "anne"
    assert requests["behind"]["status"] == 401
    assert not requests["behind"].keys() & {"caller", "job"}
    statuses = {name: requests[name]["status"] for name in ("refused", "broken", "stranger", "mistake")}
    assert statuses == {"refused": 422, "broken": 400, "stranger": 401, "mistake": 500}
    assert "caller" not in requests["stranger"]
    # /healthz was asked until it answered.
    assert {line["level"] for line in requests.values() if line["path"] == "/healthz"} == {"debug"}
    mistake = next(line for line in lines if line["event"] == "unexpected error")
    assert mistake["request_id"] == "mistake"
    assert "Error\n  /" in mistake["exception"]
    assert MARK not in json.dumps(lines)
