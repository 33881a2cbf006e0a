"""A waiting job's place in its lane, as scripts tell it beside what they do or read: a request need not ask again."""

from app.shared import keys

Place = tuple[int | None, str | None, str | None]
"""How many jobs of the lane come before it, why the lane rests and why nothing could be claimed from it, as JSON."""

PLACE_LUA = f"""
local function place(id, lane)
  local all = '{keys.LANE}' .. lane
  return {{redis.call('ZRANK', all, id), redis.call('GET', all .. ':pause'), redis.call('GET', all .. ':busy')}}
end
"""
