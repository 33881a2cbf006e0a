"""What requests get of a client whose commands share pipelines."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError, TimeoutError

from app.shared.pipelines import SharedPipelines
from app.shared.redis_client import connect_async
from tests.service import wait_for

Use = Callable[[SharedPipelines], Coroutine[Any, Any, Any]]


def run(client: Callable[[], SharedPipelines], use: Use) -> Any:
    async def in_loop() -> Any:
        shared = client()
        try:
            return await use(shared)
        finally:
            await shared.aclose()

    return asyncio.run(in_loop())


@pytest.fixture
def ask(redis_url: str, redis: Redis) -> Callable[[Use], Any]:
    assert redis.dbsize() == 0
    return lambda use: run(lambda: connect_async(redis_url), use)


@pytest.fixture
def halted(redis: Redis) -> Iterator[Callable[[], object]]:
    """Lets the server take writes and answer none."""
    yield lambda: redis.client_pause(60_000, all=False)
    redis.client_unpause()


def _others(redis: Redis, cmd: str) -> bool:
    """Whether somebody else's last command was this one."""
    return any(client["cmd"] == cmd for client in redis.client_list())


def _until(condition: Callable[[], bool]) -> None:
    wait_for("the server to have read it", condition)


def test_everybody_gets_his_own_answer_of_one_exchange(ask: Callable[[Use], Any], redis: Redis) -> None:
    """A hundred commands at once, in order and each answered as redis-py does, take a few reads of the server's."""

    async def use(shared: SharedPipelines) -> Any:
        await shared.ping()
        before = (await shared.info("stats"))["total_reads_processed"]
        counts = await asyncio.gather(*(shared.incr("count") for _ in range(100)))
        await asyncio.gather(*(shared.hset(f"hash:{number}", "field", number) for number in range(100)))
        hashes = await asyncio.gather(*(shared.hgetall(f"hash:{number}") for number in range(100)))
        after = (await shared.info("stats"))["total_reads_processed"]
        return counts, hashes, after - before

    counts, hashes, reads = ask(use)
    assert counts == list(range(1, 101))
    assert hashes == [{"field": str(number)} for number in range(100)]
    assert reads < 30
    assert redis.get("count") == "100"


def test_a_bad_command_fails_alone(ask: Callable[[Use], Any]) -> None:
    """One that the server refuses, and one that cannot even be written, do not concern their neighbours."""

    async def use(shared: SharedPipelines) -> Any:
        wanted = [shared.set("a", "1"), shared.hgetall("a"), shared.set("b", "\ud800"), shared.get("a")]
        return await asyncio.gather(*wanted, return_exceptions=True)

    stored, refused, unwritten, read = ask(use)
    assert (stored, read) == (True, "1")
    assert isinstance(refused, ResponseError)
    assert isinstance(unwritten, UnicodeEncodeError)


def test_a_caller_that_leaves_disturbs_nobody(ask: Callable[[Use], Any]) -> None:
    """Its answer is thrown away, or its command not sent; the others have theirs."""

    async def use(shared: SharedPipelines) -> Any:
        tasks = [asyncio.ensure_future(shared.incr("count")) for _ in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks[::2], return_exceptions=True)
        return [await task for task in tasks[1::2]], await shared.get("count")

    answers, count = ask(use)
    assert len(set(answers)) == 25
    assert answers == sorted(answers)
    assert int(count) >= 25


def test_a_script_is_known_again_after_it_was_forgotten(ask: Callable[[Use], Any], redis: Redis) -> None:
    """A server that has restarted knows no scripts."""

    async def use(shared: SharedPipelines) -> Any:
        script = shared.register_script("return {KEYS[1], ARGV[1]}")
        first = await script(keys=["key"], args=["value"])
        redis.script_flush()
        return first, await asyncio.gather(*(script(args=["value"], keys=["key"]) for _ in range(10)))

    assert ask(use) == (["key", "value"], [["key", "value"]] * 10)


def test_commands_without_an_answer_go_out_again(
    ask: Callable[[Use], Any], redis: Redis, halted: Callable[[], object]
) -> None:
    """Where the connection breaks before they are answered; nobody notices."""

    async def use(shared: SharedPipelines) -> Any:
        await shared.ping()
        await asyncio.to_thread(halted)
        asked = [asyncio.ensure_future(shared.set(f"key:{number}", number)) for number in range(10)]
        await asyncio.sleep(0)
        asked.append(asyncio.ensure_future(shared.get("key:9")))
        await asyncio.to_thread(_until, lambda: _others(redis, cmd="set"))
        await asyncio.to_thread(redis.client_kill_filter, _type="normal", skipme=True)
        await asyncio.to_thread(redis.client_unpause)
        return await asyncio.gather(*asked)

    assert ask(use) == [True] * 10 + ["9"]


def test_a_connection_that_broke_while_nobody_used_it_is_made_anew(ask: Callable[[Use], Any], redis: Redis) -> None:
    """As when the server was restarted."""

    async def use(shared: SharedPipelines) -> Any:
        await shared.set("a", "1")
        await asyncio.to_thread(redis.client_kill_filter, _type="normal", skipme=True)
        return await asyncio.gather(*(shared.get("a") for _ in range(3)))

    assert ask(use) == ["1"] * 3


def test_a_silent_server_is_given_up_by_all_who_wait(
    redis_url: str, halted: Callable[[], object], redis: Redis
) -> None:
    """Also by those who came while others were waiting already; then it is asked anew."""

    def client() -> SharedPipelines:
        pool = BlockingConnectionPool.from_url(redis_url, decode_responses=True, retry=Retry(NoBackoff(), 0))
        return SharedPipelines(pool, answer_seconds=0.2)

    async def use(shared: SharedPipelines) -> Any:
        await shared.set("a", "1")
        await asyncio.to_thread(halted)
        first = asyncio.ensure_future(shared.set("a", "2"))
        await asyncio.sleep(0.1)
        failed = await asyncio.gather(first, shared.get("a"), return_exceptions=True)
        await asyncio.to_thread(redis.client_unpause)
        return failed, await shared.get("a")

    failed, answer = run(client, use)
    assert [type(error) for error in failed] == [TimeoutError, TimeoutError]
    assert answer in {"1", "2"}
