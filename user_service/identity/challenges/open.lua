-- Opens a challenge of its own, whatever else is open for the address.
--
-- KEYS  challenge, openings of its address
-- ARGV  id, address, kid, digest, payload, life of a code in ms, life of the challenge in ms
-- Answers the time of issue and the time the code expires, in ms since 1970.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local day = 86400000
local expires = now + math.min(tonumber(ARGV[6]), tonumber(ARGV[7]))

redis.call('HSET', KEYS[1], 'state', 'open', 'address', ARGV[2], 'kid', ARGV[3], 'digest', ARGV[4],
  'payload', ARGV[5], 'sequence', 1, 'guesses', 0, 'bare_guesses', 0,
  'issued', string.format('%.0f', now), 'expires', string.format('%.0f', expires))
redis.call('PEXPIRE', KEYS[1], ARGV[7])

-- Remembered for a day even when the challenge is long dead: see check.lua.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - day)
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('PEXPIRE', KEYS[2], day)
return {now, expires}
