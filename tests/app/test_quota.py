"""GET /quota, and what may be said with `on_unavailable`, as the API alone answers."""

import time
from collections.abc import Iterator

import httpx
import pytest
from redis import Redis

from app.shared import keys
from app.shared.quota import QuotaReading, week_start
from app.shared.transition import flat
from tests.app.api_process import serving
from tests.app.conftest import Headers, Place
from tests.app.workshop import Workshop

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture(scope="module")
def shared(guarded_place: Place, headers: Headers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API for two callers, whose emulator takes jobs for GPUs, and that keeps three hours for its owner."""
    settings = {**guarded_place.settings, "emulator_runs_gpu_providers": True}
    with serving(tmp_path_factory.mktemp("shared"), **settings, quota_reserve_hours=3) as client:
        client.headers.update(headers.anne)
        yield client


def keep_reading(redis: Redis, used: float, *, age: float = 1.0) -> QuotaReading:
    """What a worker has read so long ago: 30 hours, and so many of them used."""
    now = time.time()
    reading = QuotaReading(30 * HOUR, used, HOUR, refreshes_at=round(now + 2 * DAY), read_at=now - age)
    redis.hset(f"{keys.QUOTA}emulator", items=flat(reading.to_fields()))
    return reading


def keep_ledger(redis: Redis, reading: QuotaReading, **seconds: float) -> None:
    """What has been billed this week."""
    week = week_start(time.time(), reading)
    billed = flat({caller: str(value) for caller, value in {**seconds, "": week}.items()})
    redis.hset(f"{keys.GPU_LEDGER}emulator:{week:.0f}", items=billed)


def test_a_caller_sees_the_account_and_its_own_share(shared: httpx.Client, guarded_redis: Redis) -> None:
    """Kaggle's figures with the owner's reserve; what Kavox did not use is other people's."""
    reading = keep_reading(guarded_redis, 10 * HOUR)
    keep_ledger(guarded_redis, reading, anne=HOUR, bert=2 * HOUR)
    answer = shared.get("/quota").json()
    assert answer["gpu"]["remaining_seconds"] == 19 * HOUR
    assert (answer["gpu"]["reserve_seconds"], answer["gpu"]["available_seconds"]) == (3 * HOUR, 16 * HOUR)
    assert (answer["gpu"]["stale"], answer["detail"]) == (False, None)
    assert answer["kavox"]["by_caller"] == {"anne": HOUR}
    assert (answer["kavox"]["seconds"], answer["kavox"]["others_seconds"]) == (3 * HOUR, 8 * HOUR)


def test_shares_are_never_more_than_kaggle_counts(shared: httpx.Client, guarded_redis: Redis) -> None:
    """Where Kavox has counted too much, each share is cut down."""
    reading = keep_reading(guarded_redis, 2 * HOUR)
    keep_ledger(guarded_redis, reading, anne=2 * HOUR, bert=4 * HOUR)
    answer = shared.get("/quota").json()
    assert answer["kavox"]["by_caller"] == {"anne": HOUR}
    assert (answer["kavox"]["seconds"], answer["kavox"]["others_seconds"]) == (3 * HOUR, 0)


def test_an_old_reading_says_so_and_is_wanted_anew(shared: httpx.Client, guarded_redis: Redis) -> None:
    """The API asks no one but Redis: it leaves a wish for the workers."""
    keep_reading(guarded_redis, 0.0, age=HOUR)
    answer = shared.get("/quota").json()
    assert answer["gpu"]["stale"] is True
    assert "old" in answer["detail"]
    assert guarded_redis.exists(f"{keys.QUOTA}emulator:wanted")


def test_sessions_tell_how_many_runs_are_open_of_how_many(shared: httpx.Client, guarded_redis: Redis) -> None:
    """Each kind by itself; one that has ended holds no machine."""
    for kind, count in (("gpu", 1), ("cpu", 2), ("ended", 3)):
        guarded_redis.zadd(keys.RUNS + kind, {f"{kind}-{number}": number for number in range(count)})
    assert shared.get("/quota").json()["sessions"] == {
        "gpu": {"open": 1, "limit": 2},
        "own_gpu": {"open": 0, "limit": 1},
        "cpu": {"open": 2, "limit": 4},
    }


def test_the_quota_wants_a_key(shared: httpx.Client) -> None:
    """As everything that is about callers."""
    assert shared.get("/quota", headers={"Authorization": "Bearer c"}).status_code == 401


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"on_unavailable": "kokoro"}, "invalid_on_unavailable"),
        ({"on_unavailable": "local:nobody"}, "unknown_provider"),
        ({"on_unavailable": "local:chatterbox"}, "local_not_available"),
        ({"on_unavailable": "local:qwen"}, "local_not_available"),
        ({"on_unavailable": "local:hibari", "text": "ÄÖÜ", "language": "en"}, "nothing_to_speak"),
    ],
)
def test_a_stand_in_that_could_not_speak_is_refused_at_once(
    shared: httpx.Client, guarded_workshop: Workshop, asked: dict[str, str], code: str
) -> None:
    """Nobody learns of it only when the quota is used up."""
    guarded_workshop.announce("hibari", "edge")
    answer = shared.post("/synthesize", json={"text": "Hello.", "provider": "qwen", **asked})
    assert answer.status_code == 422
    if code != "nothing_to_speak":
        assert (answer.json()["field"], answer.json()["code"]) == ("on_unavailable", code)


def test_a_stand_in_keeps_the_text_and_the_language_alone(
    shared: httpx.Client, guarded_redis: Redis, guarded_workshop: Workshop
) -> None:
    """Voice, model and options are the first provider's; the stand-in is no reason for a warning while it waits."""
    guarded_workshop.announce("edge")
    body = {
        "text": "Hallo.",
        "provider": "qwen",
        "model": "large",
        "voice": "grand",
        "seed": 3,
        "options": {"speed": 2},
    }
    answer = shared.post("/synthesize", json={**body, "on_unavailable": "local:edge"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["warnings"] == []
    assert guarded_redis.smembers(f"{keys.LANE}qwen:large:emulator:fallbacks") == {answer.json()["id"]}
    assert shared.delete(answer.headers["location"]).json()["status"] == "canceled"
    assert not guarded_redis.exists(f"{keys.LANE}qwen:large:emulator:fallbacks")


def test_where_no_quota_is_needed_a_stand_in_is_of_no_use(shared: httpx.Client, guarded_workshop: Workshop) -> None:
    """The caller is told, and the job accepted."""
    guarded_workshop.announce("edge")
    body = {"text": "Hello.", "provider": "hibari", "on_unavailable": "local:edge"}
    warnings = shared.post("/synthesize", json=body).json()["warnings"]
    assert warnings == ["on_unavailable is of no use here: hibari needs no GPU quota where it runs."]
