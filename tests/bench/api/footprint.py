"""How many bytes of Redis a finished job takes, beside its text: its record, and its place in every index.

The jobs are real ones, spoken by a run of the emulator. An index is counted as it is when it is long: short ones are
stored more tightly, but a busy service has none of those.
"""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase

from redis import Redis

from app.ports import LOOPBACK
from app.shared import keys
from app.shared.identifiers import new_id
from app.shared.redis_client import connect
from tests.bench.api.findings import Findings, Goal
from tests.bench.api.jobs import text
from tests.bench.clock import Speed
from tests.bench.kavox import serving
from tests.bench.metronome import NAME
from tests.service import Service

JOBS = 20
MOST = 1500
_SCALE = 60.0
_ENTRIES = 10_000
_SCRATCH = "bench:entries"


def weigh(folder: Path, findings: Findings) -> None:
    """Lets a service speak some texts, and weighs what they leave."""
    with serving(folder, Speed(1.0, 2), _SCALE, workers=1, KAVOX_CACHE_MAX_MEGABYTES=1000) as service:
        texts = [text(letter * 2) for letter in ascii_lowercase[:JOBS]]  # no figures, of which it would have to warn
        ids = [service.submit(each, provider=NAME)["id"] for each in texts]
        for job_id in ids:
            assert service.finished(job_id)["status"] == "succeeded"
        with _redis(service) as redis:
            entry = _entry_bytes(redis)
            records = [_bytes(redis, keys.JOB + job_id) - len(each) for job_id, each in zip(ids, texts, strict=True)]
            indexes = list(_indexes(redis, ids[0]))
            pointers = sum(_bytes(redis, key) for key in _pointers(redis, ids[0]))
            entries = [_bytes(redis, key) for key in redis.scan_iter(f"{keys.RESULT}*")]
            fields = redis.hgetall(keys.JOB + ids[0])
    record, lengths = statistics.mean(records), (f"{name} {len(value)}" for name, value in sorted(fields.items()))
    total = record + entry * len(indexes) + pointers
    findings.add(
        [
            f"a finished job of 100 characters in Redis: its record {record:.0f} bytes beside the text, as characters: "
            f"{', '.join(lengths)}",
            f"{entry:.0f} bytes in each of {len(indexes)} indexes: {', '.join(sorted(indexes))}; other keys {pointers}",
            f"what the result cache keeps of it, within its own limits: {statistics.mean(entries):.0f} bytes",
        ],
        Goal("Redis bytes of a finished job beyond its text", total, MOST, at_most=True),
    )


def _indexes(redis: Redis, job_id: str) -> Iterator[str]:
    """The sorted sets and sets that the job stands in."""
    for key in redis.scan_iter("kavox:*", _type="zset"):
        if redis.zscore(key, job_id) is not None:
            yield key
    for key in redis.scan_iter("kavox:*", _type="set"):
        if redis.sismember(key, job_id):
            yield key


def _pointers(redis: Redis, job_id: str) -> Iterator[str]:
    """Other keys that are the job's alone: those that bear its id or hold nothing else."""
    for key in redis.scan_iter("kavox:*"):
        if key != keys.JOB + job_id and (job_id in key or (redis.type(key) == "string" and redis.get(key) == job_id)):
            yield key


def _entry_bytes(redis: Redis) -> float:
    """What a job takes in a long index."""
    redis.zadd(_SCRATCH, {new_id(): float(number) for number in range(_ENTRIES)})
    total = _bytes(redis, _SCRATCH)
    redis.delete(_SCRATCH)
    return total / _ENTRIES


def _bytes(redis: Redis, key: str) -> int:
    return int(redis.memory_usage(key, samples=0) or 0)


def _redis(service: Service) -> Redis:
    address = json.loads((service.data_dir / "valkey" / "server.json").read_text())
    return connect(f"redis://:{address['password']}@{LOOPBACK}:{address['port']}/0")
