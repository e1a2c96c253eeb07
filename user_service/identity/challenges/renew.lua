-- Puts a new code in the place of the last one. Wrong guesses stay counted.
--
-- KEYS  challenge
-- ARGV  sequence of the code to be replaced, kid, digest, life of a code in ms, guesses allowed
-- Answers the time of issue and the time the code expires, or nothing when another request was
-- faster or the challenge takes no more codes.

local state, sequence, guesses = unpack(redis.call('HMGET', KEYS[1], 'state', 'sequence', 'guesses'))
if state ~= 'open' or sequence ~= ARGV[1] or tonumber(guesses) >= tonumber(ARGV[5]) then
  return false
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires = now + math.min(tonumber(ARGV[4]), redis.call('PTTL', KEYS[1]))
redis.call('HSET', KEYS[1], 'kid', ARGV[2], 'digest', ARGV[3], 'sequence', sequence + 1,
  'issued', string.format('%.0f', now), 'expires', string.format('%.0f', expires))
return {now, expires}
