"""Who owns a job and a run, and what a worker that lost a run can still do: nothing."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from redis import Redis

from app.shared import keys
from app.shared.errors import LeaseLost
from app.shared.job import Job, JobStatus, Phase
from app.shared.job_store import Standing
from tests.workers.jobs import cancel, make_job, make_run, read, standing, submit
from workers.lanes import Lanes
from workers.run import Run, Step
from workers.run_store import Refused, RunStore


def claim(runs: RunStore, jobs: list[Job], most_runs: int = 4) -> Run | Refused:
    ids = [job.id for job in jobs]
    return runs.claim(make_run(jobs[0]), ids, most_runs=most_runs, engine="hibari-tts 0.2.1")


def claimed(runs: RunStore, *jobs: Job) -> Run:
    run = claim(runs, list(jobs))
    assert isinstance(run, Run)
    return run


def test_a_job_is_claimed_by_one_of_many_workers(redis: Redis, redis_url: str) -> None:
    """Twenty workers that see the same jobs share them out without taking one twice."""
    jobs = [make_job() for _ in range(10)]
    submit(redis_url, *jobs)
    taken: list[str] = []

    def work(number: int) -> None:
        run = claim(RunStore(redis, f"worker-{number}"), jobs, most_runs=20)
        taken.extend(run.jobs if isinstance(run, Run) else ())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(job.id for job in jobs)


def test_a_claim_whose_answer_was_lost_can_be_repeated(redis: Redis, redis_url: str) -> None:
    """The same run id finds the jobs that it has taken already."""
    job = make_job()
    submit(redis_url, job)
    runs, run = RunStore(redis, "worker"), make_run(job)
    first = runs.claim(run, [job.id], most_runs=1, engine="hibari")
    second = runs.claim(run, [job.id], most_runs=1, engine="hibari")
    assert first == second
    assert isinstance(first, Run)
    assert first.jobs == [job.id]


def test_no_more_runs_are_open_than_there_are_sessions(redis: Redis, redis_url: str) -> None:
    """A claim beyond the limit takes nothing, and succeeds once a run is closed."""
    first, second = make_job(), make_job()
    submit(redis_url, first, second)
    runs = RunStore(redis, "worker")
    run = claimed(runs, first)
    assert claim(runs, [second], most_runs=1) is Refused.BUSY
    assert read(redis_url, second).status is JobStatus.QUEUED
    runs.close(run)
    assert isinstance(claim(runs, [second], most_runs=1), Run)


def test_a_run_that_has_ended_holds_no_session(redis: Redis, redis_url: str) -> None:
    """The next one may start while its audio is fetched; but not ever more where nothing can be published."""
    jobs = [make_job() for _ in range(4)]
    submit(redis_url, *jobs)
    runs = RunStore(redis, "worker")
    for job in jobs[:2]:
        ended = claimed(runs, job)
        runs.record(ended, step=Step.ENDED, ended_at=time.time())
    assert claim(runs, [jobs[2]], most_runs=1) is Refused.BUSY
    assert (runs.open_runs("cpu"), len(runs.open_ids())) == (0, 2)
    runs.record(ended, step=Step.PUSHED)
    assert runs.open_runs("cpu") == 1
    runs.close(ended)
    third = claim(runs, [jobs[2]], most_runs=1)
    assert isinstance(third, Run)
    assert claim(runs, [jobs[3]], most_runs=1) is Refused.BUSY


def test_runs_that_cannot_be_published_hold_up_their_own_kind_alone(redis: Redis, redis_url: str) -> None:
    """Kaggle's outputs cannot be fetched: the GPU of one's own goes on, and so does what needs none."""
    runs, stuck, jobs = RunStore(redis, "worker"), [make_job() for _ in range(4)], [make_job() for _ in range(3)]
    submit(redis_url, *stuck, *jobs)
    for job in stuck:
        run = runs.claim(replace(make_run(job), gpu=True), [job.id], most_runs=9, engine="engine")
        assert isinstance(run, Run)
        runs.record(run, step=Step.ENDED, ended_at=time.time())
    on_kaggle, on_own_gpu, without = (make_run(job) for job in jobs)
    on_kaggle, on_own_gpu = replace(on_kaggle, gpu=True), replace(on_own_gpu, own_gpu=True)
    claims = [
        runs.claim(run, [job.id], most_runs=2, engine="engine")
        for run, job in zip((on_kaggle, on_own_gpu, without), jobs, strict=True)
    ]
    assert claims[0] is Refused.BUSY
    assert all(isinstance(claim, Run) for claim in claims[1:])


def test_a_run_has_one_owner(redis: Redis, redis_url: str) -> None:
    """Nobody takes over a run whose lease lives."""
    job = make_job()
    submit(redis_url, job)
    run = claimed(RunStore(redis, "first"), job)
    assert RunStore(redis, "second").acquire(run.id) is None


def test_a_former_owner_changes_nothing(redis: Redis, redis_url: str) -> None:
    """A worker that wakes up after another took its run over is turned away by the fence, whatever it tries."""
    job = make_job()
    submit(redis_url, job)
    first, second = RunStore(redis, "first"), RunStore(redis, "second")
    run = claimed(first, job)
    redis.delete(f"{keys.RUN}{run.id}:lease")
    taken_over = second.acquire(run.id)
    assert taken_over is not None
    attempts: list[Callable[[], object]] = [
        lambda: first.renew(run),
        lambda: first.record(run, step=Step.PUSHED),
        lambda: first.settle(run, job, JobStatus.SUCCEEDED),
        lambda: first.put_back(run, job),
        lambda: first.give_back(run, waiting={}, pause_seconds=0, failures=0),
        lambda: first.release(run, retry_at=0, failures=0),
        lambda: first.close(run),
    ]
    for attempt in attempts:
        with pytest.raises(LeaseLost):
            attempt()
    assert second.settle(taken_over, job, JobStatus.SUCCEEDED)
    assert read(redis_url, job).status is JobStatus.SUCCEEDED


def test_an_owner_takes_up_a_lease_that_ran_out_unseen(redis: Redis, redis_url: str) -> None:
    """As long as nobody else took the run over, its owner goes on."""
    job = make_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = claimed(runs, job)
    redis.delete(f"{keys.RUN}{run.id}:lease")
    runs.renew(run)
    assert RunStore(redis, "another").acquire(run.id) is None


def test_a_terminal_state_never_changes(redis: Redis, redis_url: str) -> None:
    """The second end of a job is dropped, and so is late progress."""
    job = make_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = claimed(runs, job)
    assert runs.settle(run, job, JobStatus.FAILED, error={"code": "synthesis_failed", "detail": "", "retryable": False})
    assert not runs.settle(run, job, JobStatus.SUCCEEDED)
    runs.record(run, show={"phase": Phase.SYNTHESIZING, "progress": 0.5})
    after = read(redis_url, job)
    assert (after.status, after.progress) == (JobStatus.FAILED, 0.0)


def test_jobs_that_are_given_back_keep_their_place_and_their_lane_rests(redis: Redis, redis_url: str) -> None:
    """The oldest job is again the first, nothing is claimed while the lane rests, and ended jobs stay ended."""
    ended, back, later = make_job(), make_job(), make_job()
    submit(redis_url, ended, back)
    runs = RunStore(redis, "worker")
    run = claimed(runs, ended, back)
    runs.settle(run, ended, JobStatus.SUCCEEDED)
    submit(redis_url, later)
    waiting = {"code": "waiting_for_session", "detail": "busy", "retry_at": time.time() + 60}
    runs.give_back(run, waiting=waiting, pause_seconds=60, failures=3)
    lanes = Lanes(redis)
    assert [job.id for job in lanes.queues(back.speech.lane, 10).jobs] == [back.id, later.id]
    assert standing(redis_url, back) == Standing(0, waiting)
    assert read(redis_url, ended).status is JobStatus.SUCCEEDED
    assert claim(runs, [back]) is Refused.PAUSED
    assert lanes.waiting() == []
    assert lanes.failures(back.speech.lane) == 3


def test_a_job_that_was_put_back_is_nobody_elses_business(redis: Redis, redis_url: str) -> None:
    """Its former run, which goes on with the others, changes it no more, whoever has it now."""
    back, other = make_job(), make_job()
    submit(redis_url, back, other)
    runs = RunStore(redis, "worker")
    former = claimed(runs, back, other)
    assert runs.put_back(former, back, failures=1)
    assert (read(redis_url, back).status, read(redis_url, back).failures) == (JobStatus.QUEUED, 1)
    now_in = claimed(runs, back)
    runs.record(former, show={"phase": Phase.CHECKING})
    runs.start(former, time.time())
    assert not runs.settle(former, back, JobStatus.SUCCEEDED)
    runs.give_back(former, waiting=None, pause_seconds=0, failures=0)
    again = read(redis_url, back)
    assert (again.status, again.phase, again.attempts) == (JobStatus.RUNNING, Phase.PUSHING, 0)
    assert [job.id for job in runs.jobs(now_in)] == [back.id]


def test_a_cancel_is_confirmed_when_its_run_is_over(redis: Redis, redis_url: str) -> None:
    """Until then the job is being cancelled, the run hears of it, and the other jobs are not concerned."""
    wanted, unwanted = make_job(), make_job()
    submit(redis_url, wanted, unwanted)
    runs = RunStore(redis, "worker")
    run = claimed(runs, wanted, unwanted)
    assert not runs.renew(run)
    cancel(redis_url, unwanted)
    cancel(redis_url, unwanted)
    assert runs.renew(run)
    assert [job.id for job in runs.jobs(run)] == [wanted.id]
    assert [job.id for job in runs.canceling(run)] == [unwanted.id]
    runs.give_back(run, waiting=None, pause_seconds=0, failures=0)
    assert read(redis_url, unwanted).status is JobStatus.CANCELED
    assert read(redis_url, wanted).status is JobStatus.QUEUED


def test_speech_is_put_down_to_its_callers(redis: Redis, redis_url: str) -> None:
    """Who has been given less comes first, and who comes after a pause is owed nothing for it."""
    ada, bob = make_job(seconds=30, caller="ada"), make_job(seconds=20, caller="bob")
    submit(redis_url, ada, bob)
    runs, lanes, lane = RunStore(redis, "worker"), Lanes(redis), ada.speech.lane
    claimed(runs, ada)
    submit(redis_url, make_job(caller="ada"))
    assert lanes.queues(lane, 10).served == {"ada": 30, "bob": 0}
    runs.claim(make_run(bob), [bob.id], most_runs=4, engine="hibari", floor=10)
    submit(redis_url, make_job(caller="bob"), make_job(caller="cleo"))
    assert lanes.queues(lane, 10).served == {"ada": 30, "bob": 30, "cleo": 10}


def test_a_run_without_owner_is_found_when_its_time_has_come(redis: Redis, redis_url: str) -> None:
    """A run that was let go of is offered again from its retry time on, and never once it is closed."""
    job = make_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = claimed(runs, job)
    assert list(runs.ownerless()) == []
    runs.release(run, retry_at=time.time() + 60, failures=1)
    assert list(runs.ownerless()) == []
    runs.release(run, retry_at=time.time() - 1, failures=1)
    assert list(runs.ownerless()) == [run.id]
    again = runs.acquire(run.id)
    assert again is not None
    assert (again.failures, again.fence) == (1, 2)
    runs.close(again)
    assert list(runs.ownerless()) == []
    assert runs.acquire(run.id) is None


def test_what_is_recorded_is_read_back(redis: Redis, redis_url: str) -> None:
    """A run survives its way through Redis, whatever is in its fields."""
    job = make_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = runs.record(claimed(runs, job), step=Step.PUSHED, version=1, url="https://k/?a=\u2028'\"", private=True)
    assert replace(runs.reread(run), jobs=list(run.jobs)) == run
