-- Records a wrong password and sets the wait before the next one. One that was admitted together
-- with those that began a wait is refused like the next one, and not counted.
--
-- KEYS  failures of (identifier, network), failures of the identifier
-- ARGV  the first failure that waits, first wait in ms, longest wait of each key in ms, memory in ms
-- Answers the wait in ms (0: recorded).

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local begun = 0
for i = 1, 2 do
  begun = math.max(begun, (tonumber(redis.call('HGET', KEYS[i], 'blocked_until')) or 0) - now)
end
if begun > 0 then
  return math.ceil(begun)
end

for i = 1, 2 do
  local count = redis.call('HINCRBY', KEYS[i], 'count', 1)
  local wait = 0
  if count >= tonumber(ARGV[1]) then
    wait = math.min(ARGV[2] * 2 ^ math.min(count - ARGV[1], 20), tonumber(ARGV[2 + i]))
    redis.call('HSET', KEYS[i], 'blocked_until', string.format('%.0f', now + wait))
  end
  redis.call('PEXPIRE', KEYS[i], math.ceil(wait + ARGV[5]))
end
return 0
