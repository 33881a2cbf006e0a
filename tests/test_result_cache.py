"""The same request again: what was spoken answers it, and what is being spoken is shared."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import soundfile

from tests.mimic import write_mimic
from tests.service import Service, wait_for

GPU = {"provider": "mimic-gpu"}
HOOK = {"webhook": "https://kavox.invalid/"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """It waits a second for more jobs before it runs any."""
    folder = tmp_path_factory.mktemp("cache")
    service = Service(
        folder / "data",
        {
            "KAVOX_NOTEBOOKS_DIR": write_mimic(folder / "notebooks", with_gpu=True),
            "KAVOX_EMULATOR_RUNS_GPU_PROVIDERS": True,
            "KAVOX_EMULATOR_TIME_SCALE": 10,
            "KAVOX_BATCH_WINDOW_SECONDS": 1,
            "KAVOX_CACHE_MAX_MEGABYTES": 100,
        },
    )
    service.start()
    service.http.headers["Authorization"] = f"Bearer {service.key('anne')}"
    yield service
    service.end_everything()


def ask(service: Service, text: str, **fields: Any) -> dict[str, Any]:
    """POSTs a text; its job, which may have its audio already."""
    answer = service.http.post("/synthesize", json={"text": text, **GPU, **fields})
    assert answer.status_code in {200, 202}, answer.text
    job: dict[str, Any] = answer.json()
    return job


def spoken(service: Service, text: str, **fields: Any) -> dict[str, Any]:
    """The job of a text once it has succeeded."""
    job = service.finished(ask(service, text, **fields)["id"])
    assert job["status"] == "succeeded", job
    return job


def pushes(service: Service) -> int:
    return int(service.kaggle_stats()["pushes_accepted"])


def cache(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.http.get("/cache").json()
    return found


def told(service: Service, job: dict[str, Any]) -> list[str]:
    """The types of all messages about the job."""
    found = service.http.get(f"/jobs/{job['id']}/deliveries").raise_for_status().json()["deliveries"]
    return [delivery["type"] for delivery in found]


def test_the_same_request_again_is_answered_at_once(service: Service) -> None:
    """With a job of its own, which costs nothing and has its own audio; what it saved is counted."""
    first = spoken(service, "Once only.")
    before, counted = pushes(service), cache(service)
    answer = service.http.post("/synthesize", json={"text": "Once only.", **GPU, "metadata": {"page": 2}, **HOOK})
    job = answer.json()
    assert told(service, job) == ["job.succeeded"]
    assert (answer.status_code, answer.headers["location"]) == (200, f"/jobs/{job['id']}")
    assert (job["status"], job["cached"], job["gpu_seconds"], job["progress"]) == ("succeeded", True, 0, 1)
    assert job["id"] != first["id"]
    assert job["metadata"] == {"page": 2}
    assert not first["cached"]
    assert first["gpu_seconds"] > 0
    assert job["run"] == first["run"]
    assert job["audio"]["sha256"] == first["audio"]["sha256"]
    assert service.audio(job["id"]) == service.audio(first["id"])
    assert pushes(service) == before
    counts = cache(service)
    assert counts["hits"] == counted["hits"] + 1
    saved = counts["gpu_seconds_saved"] - counted["gpu_seconds_saved"]
    assert saved == pytest.approx(first["gpu_seconds"], abs=0.01)


def test_kept_speech_comes_in_any_format(service: Service) -> None:
    """A wav that was spoken answers a request for an mp3, with tags and figures of its own."""
    spoken(service, "In any format.")
    job = ask(service, "In any format.", format="mp3")
    assert job["status"] == "succeeded"
    assert job["cached"]
    content = service.audio(job["id"])
    assert soundfile.info(io.BytesIO(content)).format == "MP3"
    assert (job["audio"]["format"], job["audio"]["bytes"]) == ("mp3", len(content))
    assert job["audio"]["wav"]["sha256"] != job["audio"]["sha256"]


def test_equal_requests_at_once_share_one_synthesis(service: Service) -> None:
    """Each has its own job and format, and shows whose synthesis it waits for."""
    before, counted = pushes(service), cache(service)
    with ThreadPoolExecutor(8) as pool:
        formats = ["wav", "mp3", "flac", "opus", "pcm", "wav", "wav", "mp3"]
        jobs = list(pool.map(lambda wanted: ask(service, "All at once.", format=wanted, **HOOK), formats))
    followers = [job for job in jobs if job["waiting"] and job["waiting"]["code"] == "shared_synthesis"]
    assert len(followers) == 7
    ended = [service.finished(job["id"]) for job in jobs]
    assert [job["status"] for job in ended] == ["succeeded"] * 8
    assert sorted(job["cached"] for job in ended) == [False] + [True] * 7
    assert len({job["id"] for job in ended}) == 8
    assert len({(job["audio"].get("wav") or job["audio"])["sha256"] for job in ended}) == 1
    assert [job["audio"]["format"] for job in ended] == formats
    for job in ended:
        assert len(service.audio(job["id"])) == job["audio"]["bytes"]
        assert told(service, job) == ["job.succeeded"]
    assert pushes(service) == before + 1
    assert sum(job["gpu_seconds"] for job in ended if job["cached"]) == 0
    assert cache(service)["shared"] == counted["shared"] + 7


def test_who_opts_out_is_spoken_to_anew(service: Service) -> None:
    """Neither is kept speech given, nor is this one kept for others."""
    first = spoken(service, "Say it twice.")
    again = spoken(service, "Say it twice.", cache=False)
    assert not again["cached"]
    assert again["run"]["id"] != first["run"]["id"]
    alone = spoken(service, "Never kept.", cache=False)
    after = spoken(service, "Never kept.")
    assert not after["cached"]
    assert after["run"]["id"] != alone["run"]["id"]


@pytest.mark.parametrize("other", [{"seed": 7}, {"gpu": False, "provider": "mimic"}, {"text": "Not the same!"}])
def test_what_differs_in_speech_is_spoken_anew(service: Service, other: dict[str, Any]) -> None:
    """Another seed, another text, and another place: the emulator's audio never answers for any other host's."""
    body = {"text": "Not the same.", "provider": "mimic"}
    spoken(service, **body)
    assert not spoken(service, **{**body, **other})["cached"]


def test_nobody_is_answered_with_anothers_speech(service: Service) -> None:
    """Not even the time that it takes tells one caller what another one has asked for."""
    spoken(service, "Between us.")
    with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {service.key('ben')}"}) as ben:
        estimate = ben.post("/synthesize?dry_run=true", json={"text": "Between us.", **GPU}).json()
        answer = ben.post("/synthesize", json={"text": "Between us.", **GPU})
        assert (answer.status_code, answer.json()["cached"], estimate["cached"]) == (202, False, False)
        assert ben.get("/cache").json()["hits"] == 0


def test_a_shared_failure_is_everybodys(service: Service) -> None:
    """The same would fail again; it is not tried once for each of them."""
    jobs = [ask(service, "This is refused.", seed=1) for _ in range(3)]
    before = pushes(service)
    ended = [service.finished(job["id"]) for job in jobs]
    assert [job["error"]["code"] for job in ended] == ["synthesis_failed"] * 3
    assert pushes(service) <= before + 1


def test_when_the_first_of_them_is_cancelled_the_others_are_spoken(service: Service) -> None:
    """The next one takes its place, and the last one follows that."""
    first, second, third = (ask(service, "Without the first.") for _ in range(3))
    service.http.delete(f"/jobs/{first['id']}").raise_for_status()
    ended = [service.finished(job["id"]) for job in (first, second, third)]
    assert [job["status"] for job in ended] == ["canceled", "succeeded", "succeeded"]
    assert [job["cached"] for job in ended[1:]] == [False, True]


def test_whoever_shares_may_leave(service: Service) -> None:
    """The one that is spoken is not concerned."""
    first, second = (ask(service, "Without the second.") for _ in range(2))
    left = service.http.delete(f"/jobs/{second['id']}")
    assert (left.status_code, left.json()["status"]) == (200, "canceled")
    assert service.finished(first["id"])["status"] == "succeeded"
    assert service.http.get(f"/jobs/{second['id']}/audio").status_code == 409


def test_kept_speech_whose_file_is_gone_is_spoken_anew(service: Service) -> None:
    """Somebody has tidied the folder up; nobody is promised audio that is not there."""
    spoken(service, "Lost and found.")
    for file in (service.data_dir / "audio").glob("cache-*"):
        file.unlink()
    again = spoken(service, "Lost and found.")
    assert not again["cached"]
    assert service.audio(again["id"])
    assert ask(service, "Lost and found.")["cached"]


def test_a_batch_is_given_what_is_kept(service: Service) -> None:
    """In each item's own format, and nothing is run for it; what is not kept any more is spoken."""
    first = spoken(service, "Of a batch.")
    before, counted = pushes(service), cache(service)
    items = [{"text": "Of a batch.", **GPU, "format": wanted} for wanted in ("wav", "flac", "wav")]
    batch = finished_batch(service, items)
    jobs = [service.job(job["id"]) for job in batch["jobs"]]
    assert [(job["status"], job["cached"], job["audio"]["format"]) for job in jobs] == [
        ("succeeded", True, "wav"),
        ("succeeded", True, "flac"),
        ("succeeded", True, "wav"),
    ]
    assert {job["run"]["id"] for job in jobs} == {first["run"]["id"]}
    assert service.audio(jobs[0]["id"]) == service.audio(first["id"])
    assert (pushes(service), batch["gpu_seconds"]) == (before, 0)
    assert cache(service)["hits"] == counted["hits"] + 3
    assert cache(service)["gpu_seconds_saved"] > counted["gpu_seconds_saved"]

    for file in (service.data_dir / "audio").glob(f"cache-{first['id']}*"):
        file.unlink()
    anew = [service.job(job["id"]) for job in finished_batch(service, items[:1])["jobs"]]
    assert [(job["status"], job["cached"]) for job in anew] == [("succeeded", False)]
    assert ask(service, "Of a batch.")["cached"]


def finished_batch(service: Service, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The batch of these items once it has succeeded."""
    batch = service.http.post("/batches", json={"items": items}).json()
    path = batch["urls"]["self"]
    ended = wait_for("the batch to end", lambda: (found := service.http.get(path).json())["finished_at"] and found)
    assert ended["status"] == "succeeded", ended
    found: dict[str, Any] = ended
    return found


def test_a_dry_run_knows_what_is_kept(service: Service) -> None:
    """Then nothing is spent; before, as much as a run of its own is billed."""
    where = "/synthesize?dry_run=true"
    before = service.http.post(where, json={"text": "What does it cost?", **GPU}).json()
    assert before["gpu_seconds"] > 0
    assert not before["cached"]
    spoken(service, "What does it cost?")
    after = service.http.post(where, json={"text": "What does it cost?", **GPU}).json()
    assert (after["cached"], after["gpu_seconds"], after["eta_seconds"]) == (True, 0, 0)


def test_kept_speech_survives_the_audio_of_the_job_that_made_it(service: Service) -> None:
    """Each has files of its own, and on this disk they are one."""
    first = spoken(service, "Two names.")
    files = sorted((service.data_dir / "audio").glob(f"*{first['id']}*.wav"))
    assert [file.name.startswith("cache-") for file in files] == [False, True]
    assert files[0].stat().st_ino == files[1].stat().st_ino
    files[0].unlink()
    assert service.audio(ask(service, "Two names.")["id"])
