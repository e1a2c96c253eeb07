-- Forgets the failures, unless some that were under way at the same time began a wait: the right
-- one among many guesses at once must not be told from the others.
--
-- KEYS  failures of (identifier, network), failures of the identifier
-- Answers the wait in ms (0: forgotten).

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local begun = 0

for i = 1, 2 do
  begun = math.max(begun, (tonumber(redis.call('HGET', KEYS[i], 'blocked_until')) or 0) - now)
end
if begun <= 0 then
  redis.call('DEL', KEYS[1], KEYS[2])
end
return math.max(0, math.ceil(begun))
