"""The time as scripts have it: that of the Redis server, which all processes share."""

# clock() answers seconds since 1970 as a string with six decimals.
CLOCK_LUA = """
local function clock()
  local time = redis.call('TIME')
  return string.format('%s.%06d', time[1], time[2])
end
"""
