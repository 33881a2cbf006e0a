"""What is counted over the life of an installation: in Redis, so that restarts and many processes lose nothing.

One hash: a field is a name and its labels, `jobs_ended|hibari:hibari:emulator|succeeded`, a value a number. Histograms
have a field for each bucket, each with what fell into it alone. Scripts count within the change that they make, so that
nothing is counted twice; what workers measure themselves is counted when they have measured it.
"""

from collections.abc import Sequence

from redis import Redis

from app.shared import keys

SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 43200, 86400)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)

_BOUNDS = ", ".join(map(str, SECONDS))

# count(field, amount) adds to a counter; observe(field, seconds) to a histogram of times. Neither can fail: Redis takes
# nothing back of a script that dies half-way, and no change is worth less than its being counted.
METRICS_LUA = f"""
local function count(field, amount)
  redis.pcall('HINCRBYFLOAT', '{keys.METRICS}', field, amount)
end
local function observe(field, seconds)
  local bucket = 'inf'
  for _, bound in ipairs({{ {_BOUNDS} }}) do
    if seconds <= bound then bucket = bound break end
  end
  count(field .. '|' .. bucket, 1)
  count(field .. '|sum', string.format('%.3f', seconds))
end
"""


def count(redis: Redis, *field: str, amount: float = 1) -> None:
    """Adds to a counter."""
    redis.hincrbyfloat(keys.METRICS, "|".join(field), amount)


def observe(redis: Redis, *field: str, value: float, bounds: Sequence[float] = SECONDS) -> None:
    """Adds a value to a histogram with these bounds."""
    bucket = next((str(bound) for bound in bounds if value <= bound), "inf")
    count(redis, *field, bucket)
    count(redis, *field, "sum", amount=round(value, 3))
