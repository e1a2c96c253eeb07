-- Admits one attempt to log in, or says how long to wait.
--
-- KEYS  failures of (identifier, network), failures of the identifier, its logins under way,
--       then the network's budgets
-- ARGV  how long a login may be under way in ms, then `limit, window in ms` for each budget
-- Answers the wait in ms (0: admitted), and how many others failed or may be about to.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait, others = 0, 0

for i = 1, 2 do
  local count, blocked_until = unpack(redis.call('HMGET', KEYS[i], 'count', 'blocked_until'))
  others = math.max(others, tonumber(count) or 0)
  wait = math.max(wait, (tonumber(blocked_until) or 0) - now)
end

local arrivals = {}
for i = 4, #KEYS do
  local limit, window = tonumber(ARGV[2 * i - 6]), tonumber(ARGV[2 * i - 5])
  local arrival = math.max(tonumber(redis.call('GET', KEYS[i])) or now, now) + window / limit
  arrivals[i] = arrival
  wait = math.max(wait, arrival - window - now)
end
if wait <= 0 then
  for i = 4, #KEYS do
    redis.call('SET', KEYS[i], string.format('%.0f', arrivals[i]), 'PX', math.ceil(arrivals[i] - now))
  end
  others = others + redis.call('INCR', KEYS[3]) - 1
  redis.call('PEXPIRE', KEYS[3], ARGV[1])
end
return {math.max(0, math.ceil(wait)), others}
