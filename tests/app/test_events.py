"""GET /jobs/{id}/events: following a job without asking again and again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.api_process import serving
from tests.app.conftest import Place
from tests.app.workshop import Workshop


@dataclass(frozen=True)
class Event:
    """One event as a client gets it; a comment has no name and no data."""

    name: str
    id: str
    data: dict[str, Any]


@contextmanager
def following(api: httpx.Client, job_id: str, last_id: str | None = None) -> Iterator[Iterator[Event]]:
    """The job's events, as they come."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with api.stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield _events(answer)


def _events(answer: httpx.Response) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        else:
            data = json.loads(fields.get("data", "{}"))
            yield Event(fields.get("event", ""), fields.get("id", ""), data)
            fields = {}


def _post(api: httpx.Client) -> str:
    return str(api.post("/synthesize", json={"text": "Hello."}).json()["id"])


def test_a_job_is_followed_to_its_end(api: httpx.Client, workshop: Workshop) -> None:
    """Every phase and step of progress is told as it happens, and the stream closes with the end."""
    job_id = _post(api)
    told = []
    with following(api, job_id) as events:
        told.append(next(events))
        workshop.start(job_id)
        told.append(next(events))
        workshop.report(job_id, "synthesizing", 0.5)
        told.append(next(events))
        workshop.report(job_id, "downloading", 1.0)
        told.append(next(events))
        workshop.succeed(job_id, b"RIFF")
        told.extend(events)
    states = [(event.name, event.data["status"], event.data["phase"], event.data["progress"]) for event in told]
    assert states == [
        ("progress", "queued", "waiting", 0.0),
        ("progress", "running", "synthesizing", 0.25),
        ("progress", "running", "synthesizing", 0.5),
        ("progress", "running", "downloading", 1.0),
        ("end", "succeeded", None, 1.0),
    ]
    assert told[-1].data["audio"]["url"] == f"/jobs/{job_id}/audio"


def test_the_next_job_hears_that_it_moved_up(api: httpx.Client, workshop: Workshop) -> None:
    """What changes for a waiting job when others go is told too."""
    ahead, behind = _post(api), _post(api)
    with following(api, behind) as events:
        assert next(events).data["position"] == 1
        workshop.start(ahead)
        workshop.claimed("hibari:small:emulator")
        assert next(events).data["position"] == 0


def test_a_client_that_comes_back_hears_only_what_is_new(api: httpx.Client, workshop: Workshop) -> None:
    """With the id of its last event it is told nothing twice, not even by another process after a restart."""
    job_id = _post(api)
    with following(api, job_id) as events:
        first = next(events)
    with following(api, job_id, first.id) as events:
        workshop.start(job_id)
        second = next(events)
    assert second.data["status"] == "running"
    workshop.fail(job_id)
    with following(api, job_id, second.id) as events:
        (last,) = events
    assert (last.name, last.data["error"]["code"]) == ("end", "audio_rejected")
    assert api.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": last.id}).status_code == 204


def test_a_finished_job_tells_its_end_at_once(api: httpx.Client, workshop: Workshop) -> None:
    """Who comes late gets the end, whatever id of another state they bring."""
    job_id = _post(api)
    workshop.fail(job_id)
    with following(api, job_id, "nonsense") as events:
        assert [event.name for event in events] == ["end"]


def test_an_unknown_job_has_no_events(api: httpx.Client) -> None:
    """It is a problem, not a stream."""
    answer = api.get("/jobs/19abcdef0120123456789/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


@pytest.mark.usefixtures("redis")
def test_a_silent_stream_shows_that_it_lives(place: Place) -> None:
    """Comments come while nothing happens, and a stopping process ends the stream."""
    folder = place.data_dir / "heartbeat"
    folder.mkdir()
    with serving(folder, **place.settings, heartbeat_seconds=0.2) as client:
        job_id = _post(client)
        with following(client, job_id) as events:
            assert next(events).data
            assert [next(events).data for _ in range(2)] == [{}, {}]


def test_who_shares_a_synthesis_sees_how_far_it_is(place: Place, workshop: Workshop, tmp_path: Path) -> None:
    """The job that is spoken for it has left the lane, and its progress is told as the follower's own."""
    with serving(tmp_path, **{**place.settings, "cache_max_megabytes": 1}) as client:
        spoken, sharing = _post(client), _post(client)
        with following(client, sharing) as events:
            told = [next(events).data]
            workshop.start(spoken)
            # It may be seen between the lane and the run.
            told.append(next(event.data for event in events if event.data["progress"] > 0))
            workshop.report(spoken, "synthesizing", 0.5)
            told.append(next(events).data)
    assert [(one["status"], one["progress"], one["position"]) for one in told] == [
        ("queued", 0.0, 0),
        ("queued", 0.25, None),
        ("queued", 0.5, None),
    ]
    assert {one["waiting"]["code"] for one in told} == {"shared_synthesis"}
