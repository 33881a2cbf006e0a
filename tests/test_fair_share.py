"""Two keys in one lane: who has waited for little is not kept waiting by who has sent much."""

from pathlib import Path

import httpx
from redis import Redis

from app.shared.job_queue import JobQueue
from app.shared.provider import load_providers
from app.shared.redis_client import connect_for_queue
from app.shared.settings import Settings
from tests.api_keys import make_key
from tests.app.api_process import EMULATOR_URL, serving
from tests.hosts import CREDENTIALS
from tests.service import wait_for
from tests.workers.gates import quota_gate
from workers.claim import Claims
from workers.kaggle_client import KaggleClient
from workers.lanes import Lanes
from workers.run import Run
from workers.run_store import RunStore
from workers.stopping import Stopping

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LANE = "hibari:hibari:emulator"


def claims(redis: Redis, redis_url: str, settings: Settings) -> Claims:
    """Those of a worker."""
    queue = JobQueue(connect_for_queue(redis_url))
    nowhere = KaggleClient(credentials=CREDENTIALS, owner=None, timeout_seconds=1, url="http://127.0.0.1:9")
    return Claims(
        settings=settings,
        runs=RunStore(redis, "worker"),
        lanes=Lanes(redis),
        queue=queue,
        providers=load_providers(NOTEBOOKS),
        hosts=("emulator",),
        local_providers=(),
        machine="here",
        stopping=Stopping(),
        quota=quota_gate(redis, queue, settings, nowhere, "emulator"),
    )


def test_a_few_texts_are_not_behind_the_many_of_another_key(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """The first run carries as much of each, though one had sent ten times as many before the other came."""
    keys = {name: {"X-API-Key": make_key(redis_url, name)} for name in ("many", "few")}
    place = {"redis_url": redis_url, "kaggle_api_url": EMULATOR_URL, "data_dir": tmp_path, "cache_max_megabytes": 0}
    with serving(tmp_path, **place) as api:
        wait_for("the keys", lambda: all(api.get("/jobs", headers=key).is_success for key in keys.values()))
        sent = {name: [_submit(api, keys[name], n) for n in range(size)] for name, size in (("many", 20), ("few", 2))}
    settings = Settings(_env_file=None, batch_window_seconds=0, batch_max_items=4, max_sessions=1, max_cpu_runs=1)
    run = claims(redis, redis_url, settings).next_run(LANE)
    assert isinstance(run, Run)
    assert set(run.jobs) == {*sent["few"], *sent["many"][:2]}


def _submit(api: httpx.Client, key: dict[str, str], number: int) -> str:
    answer = api.post("/synthesize", json={"text": f"This is the text number {number}."}, headers=key)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])
