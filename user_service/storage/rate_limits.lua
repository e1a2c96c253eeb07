-- Spends one request from every budget of a client network, or from none of them.
--
-- KEYS  one for each budget
-- ARGV  `limit, window in ms` for each of them
-- Answers 0, or the milliseconds after which the request could be admitted.
--
-- GCRA admits up to twice its figure within a window: good enough for a network, one number each.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait = 0
local arrivals = {}

for i = 1, #KEYS do
  local limit, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local arrival = math.max(tonumber(redis.call('GET', KEYS[i])) or now, now) + window / limit
  arrivals[i] = arrival
  wait = math.max(wait, arrival - window - now)
end
if wait > 0 then
  return math.ceil(wait)
end
for i = 1, #KEYS do
  redis.call('SET', KEYS[i], string.format('%.0f', arrivals[i]), 'PX', math.ceil(arrivals[i] - now))
end
return 0
