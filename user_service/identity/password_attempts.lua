-- Admits one attempt to log in, or says how long to wait.
--
-- KEYS  failures of (identifier, network), failures of the identifier, then the network's budgets
-- ARGV  `limit, window in ms` for each budget
-- Answers the wait in ms (0: admitted), and how many failures stand recorded.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait, recorded = 0, 0

for i = 1, 2 do
  local count, blocked_until = unpack(redis.call('HMGET', KEYS[i], 'count', 'blocked_until'))
  recorded = math.max(recorded, tonumber(count) or 0)
  wait = math.max(wait, (tonumber(blocked_until) or 0) - now)
end

local arrivals = {}
for i = 3, #KEYS do
  local limit, window = tonumber(ARGV[2 * i - 5]), tonumber(ARGV[2 * i - 4])
  local arrival = math.max(tonumber(redis.call('GET', KEYS[i])) or now, now) + window / limit
  arrivals[i] = arrival
  wait = math.max(wait, arrival - window - now)
end
if wait <= 0 then
  for i = 3, #KEYS do
    redis.call('SET', KEYS[i], string.format('%.0f', arrivals[i]), 'PX', math.ceil(arrivals[i] - now))
  end
end
return {math.max(0, math.ceil(wait)), recorded}
