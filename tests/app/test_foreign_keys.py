"""No address tells one key of what is another's: every route of the application is walked with a foreign key.

A route is found by itself, so a new one cannot be forgotten. What stands in its path must be in `THEIRS` or `ANYBODYS`,
and what it is sent in `BODIES`, or this test fails and says so.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from redis import Redis
from starlette.routing import Mount, Route

from app.main import create_app
from app.ports import LOOPBACK
from app.shared.api_key import Scope
from app.shared.api_key_store import ApiKeyStore
from app.shared.audio_store import AudioStore
from app.shared.identifiers import new_id
from app.shared.run_log import LogLine, RunLog, log_name
from app.shared.settings import Settings
from tests.api_keys import make_key
from tests.app.api_process import serving
from tests.app.conftest import Place
from tests.app.workshop import RUN, Workshop
from tests.recordings import encoded, tone
from tests.service import wait_for
from tests.tone import tone as wav

OWNER, STRANGER = "magpie-owner", "magpie-stranger"
MARK = "quintessentially-mine"
TEXT = {"text": f"{MARK} Hello.", "metadata": {"note": MARK}, "webhook": f"http://{LOOPBACK}:9/{MARK}"}

# What each parameter of a path names: something of the owner's, or something that is nobody's.
THEIRS = {"job_id": ("finished", "waiting"), "voice_id": ("voice",), "batch_id": ("batch",)}
UNKNOWN = {"job_id": new_id(), "voice_id": "voice-19abcdef0120123456789", "batch_id": "batch-19abcdef0120123456789"}
ANYBODYS = {"model": "hibari"}
# What else may stand behind one of them, made of its id.
BELOW = {"delivery_id": "{thing}-1"}

# What a route without anything of the owner's in its path is sent. It must make something of the stranger's own.
FORM = {"name": "Mine", "provider": "hibari", "consent": "true"}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "POST /synthesize": {"json": {"text": TEXT["text"]}, "headers": {"Idempotency-Key": "1"}},
    "POST /batches": {"json": {"items": [{"text": TEXT["text"]}]}, "headers": {"Idempotency-Key": "3"}},
    "POST /v1/audio/speech": {"json": {"input": TEXT["text"]}, "headers": {"Idempotency-Key": "1"}},
    "POST /webhooks/secret/rotate": {},
    "POST /voices": {"data": FORM, "files": {"file": ("a.wav", encoded(tone(4)))}},
}

# Whoever finds these must be let in with the scope admin, and is told nothing by them either.
FOR_OPERATORS = {"GET /metrics"}


@dataclass(frozen=True)
class Stage:
    """The service, whose callers have keys; `things` are the owner's, by what they are."""

    api: httpx.Client
    owner: dict[str, str]
    stranger: dict[str, str]
    operator: dict[str, str]
    things: Mapping[str, str]

    def answer(self, request: str, caller: dict[str, str], **more: Any) -> httpx.Response:
        method, path = request.split()
        headers = {**caller, **more.pop("headers", {})}
        return self.api.request(method, path, headers=headers, **more)

    def assert_nothing_told(self, request: str, answer: httpx.Response) -> None:
        """Neither names nor texts of the owner's are in it."""
        said = f"{answer.headers} {answer.content.decode('utf-8', 'replace')}"
        for what, one in {**self.things, "text": MARK, "name": OWNER}.items():
            assert one not in said, f"{request} tells a stranger the owner's {what}: {said[:400]}"


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    settings = Settings(
        _env_file=None,
        redis_url="redis://127.0.0.1:6379/0",
        kaggle_api_url="http://127.0.0.1:7777",
        data_dir=tmp_path_factory.mktemp("data"),
    )
    return create_app(settings)


@pytest.fixture
def stage(guarded_place: Place, guarded_redis: Redis, guarded_workshop: Workshop, tmp_path: Path) -> Iterator[Stage]:
    """The owner has a spoken job with its log, one that waits, a cloned voice and a spoken batch."""
    url = guarded_place.redis_url
    tokens = [make_key(url, OWNER), make_key(url, STRANGER), make_key(url, STRANGER, Scope.SUBMIT, Scope.ADMIN)]
    owner, stranger, operator = ({"Authorization": f"Bearer {token}"} for token in tokens)
    settings = {**guarded_place.settings, "cache_max_megabytes": 100, "openai_wait_seconds": 0.2}
    with serving(tmp_path, **settings) as api:
        wait_for("the keys to be known", lambda: api.get("/jobs", headers=operator).status_code == 200)
        finished, waiting = (
            api.post("/synthesize", json=body, headers={**owner, "Idempotency-Key": key}).json()["id"]
            for key, body in (("1", TEXT), ("2", {**TEXT, "cache": False}))
        )
        guarded_workshop.start(finished)
        guarded_workshop.succeed(finished, wav(0.2))
        log = RunLog(str(RUN["id"]), shared=False, complete=True, lines=[LogLine(1.5, "stdout", MARK)])
        AudioStore.open(None, guarded_place.data_dir / "audio").put(log_name(log.run), log.to_bytes())
        cloned = api.post("/voices", **{**BODIES["POST /voices"], "headers": owner}).json()["id"]
        batch = api.post("/batches", **{**BODIES["POST /batches"], "headers": {**owner, "Idempotency-Key": "3"}}).json()
        guarded_workshop.start(batch["jobs"][0]["id"])
        guarded_workshop.succeed(batch["jobs"][0]["id"], wav(0.2))
        things = {"finished": finished, "waiting": waiting, "voice": cloned, "batch": batch["id"]}
        yield Stage(api, owner, stranger, operator, things)
    for name in (OWNER, STRANGER):
        ApiKeyStore(guarded_redis).revoke(name)


def routes(application: FastAPI) -> list[tuple[str, str, list[str]]]:
    """Every route: its method, its path, and what stands in that. Files that are everybody's are no routes."""
    found = []
    for route in application.routes:
        if isinstance(route, Mount):
            assert route.path == "/docs/assets" or route.path.startswith("/page/"), f"what is served at {route.path}?"
            continue
        assert isinstance(route, Route), route
        parameters = list(route.param_convertors)
        path = route.path_format if isinstance(route, APIRoute) else route.path
        found += [(method, path, parameters) for method in sorted(route.methods or ()) if method != "HEAD"]
    return found


def test_every_route_is_walked_with_a_foreign_key(stage: Stage, application: FastAPI) -> None:
    """What is the owner's is answered like what never was; lists, counts and what is sent show nothing of it."""
    for method, path, parameters in routes(application):
        route = f"{method} {path}"
        theirs = [name for name in parameters if name in THEIRS]
        unknown = [name for name in parameters if name not in {*THEIRS, *ANYBODYS, *BELOW}]
        assert not unknown, f"{route}: say in this file whose {unknown} are"
        if theirs:
            for name in theirs:
                for thing in THEIRS[name]:
                    _check_hidden(stage, method, path, name, stage.things[thing])
        else:
            _check_own(stage, route, f"{method} {path.format(**ANYBODYS)}")


def test_what_is_hidden_is_there_for_its_owner(stage: Stage, application: FastAPI) -> None:
    """Or the walk would prove nothing: with the owner's key every GET of it succeeds."""
    for method, path, parameters in routes(application):
        if method == "GET" and "job_id" in parameters:
            answer = stage.answer(f"GET {path.format(job_id=stage.things['finished'])}", stage.owner)
            assert answer.is_success, (path, answer.text)
        for thing in ("voice", "batch"):
            if method == "GET" and f"{thing}_id" in parameters:
                address = path.format(**{f"{thing}_id": stage.things[thing]})
                assert stage.answer(f"GET {address}", stage.owner).is_success, address


def test_what_a_stranger_sends_finds_nothing_of_the_owners(stage: Stage) -> None:
    """Neither by the same idempotency key, nor by a voice, nor by a cursor, nor by what is kept or under way."""
    own = stage.answer("POST /synthesize", stage.stranger, **BODIES["POST /synthesize"])
    assert (own.status_code, own.json()["cached"], own.json()["waiting"]) == (202, False, None)
    voice = {**TEXT, "voice": stage.things["voice"]}
    missing = {**TEXT, "voice": UNKNOWN["voice_id"]}
    refused, never = (stage.answer("POST /synthesize", stage.stranger, json=body) for body in (voice, missing))
    for answer in (refused, never):
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_voice")
    cursor = stage.answer("GET /jobs?limit=1", stage.owner).json()["next_cursor"]
    for caller in (stage.stranger, stage.operator):
        page = stage.answer(f"GET /jobs?cursor={cursor}&limit=100", caller)
        assert {job["id"] for job in page.json()["jobs"]} <= {own.json()["id"]}
    assert stage.answer("GET /cache", stage.stranger).json()["shared"] == 0
    shares = stage.answer("GET /quota", stage.stranger).json()["kavox"]["by_caller"]
    assert shares.keys() <= {STRANGER}


def _check_hidden(stage: Stage, method: str, path: str, name: str, thing: str) -> None:
    """The address of the owner's thing answers like one that never was, to whoever else asks."""
    route = f"{method} {path}"
    for caller in (stage.stranger, stage.operator):
        known = stage.answer(f"{method} {_filled(path, name, thing)}", caller)
        never = stage.answer(f"{method} {_filled(path, name, UNKNOWN[name])}", caller)
        assert known.status_code == 404, f"{route} answers {known.status_code}: {known.text}"
        assert _without(known, thing) == _without(never, UNKNOWN[name]), route


def _check_own(stage: Stage, route: str, request: str) -> None:
    """What names nothing of the owner's tells nothing of it."""
    assert request.startswith("GET ") or route in BODIES, f"{route}: say in BODIES what it is sent"
    answer = stage.answer(request, stage.stranger, **BODIES.get(route, {}))
    assert (answer.status_code == 403) == (route in FOR_OPERATORS), (route, answer.text)
    stage.assert_nothing_told(request, answer)
    if route in FOR_OPERATORS:
        answer = stage.answer(request, stage.operator)
        assert answer.is_success, answer.text
        stage.assert_nothing_told(request, answer)


def _filled(path: str, name: str, thing: str) -> str:
    return path.format(**{name: thing}, **{below: made.format(thing=thing) for below, made in BELOW.items()})


def _without(answer: httpx.Response, thing: str) -> tuple[int, set[str], str]:
    """An answer without what it was about: status, names of its headers, body."""
    return answer.status_code, set(answer.headers), json.dumps(answer.json()).replace(thing, "it")
