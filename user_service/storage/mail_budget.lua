-- Spends one mail to an address, if every rule allows it.
--
-- KEYS  the address's log: who was the reason of a mail, by the time of it
-- ARGV  id of this share, the site it comes from,
--       then `scope, limit, window in ms` for each rule (scope: site or all)
-- Answers 0, or the milliseconds after which the mail could be admitted.
--
-- Exact, because guesses are multiplied by it.

local share, site = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local day = 86400000
local wait = 0

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - day)
local entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for rule = 3, #ARGV, 3 do
  local scope, limit, window = ARGV[rule], tonumber(ARGV[rule + 1]), tonumber(ARGV[rule + 2])
  local times = {}
  for i = 1, #entries, 2 do
    local sent = tonumber(entries[i + 1])
    local from = string.match(entries[i], '^([^|]*)|')
    if sent > now - window and (scope == 'all' or from == site) then
      times[#times + 1] = sent
    end
  end
  if #times >= limit then
    wait = math.max(wait, times[#times - limit + 1] + window - now)
  end
end
if wait > 0 then
  return math.ceil(wait)
end
redis.call('ZADD', KEYS[1], now, site .. '|' .. share)
redis.call('PEXPIRE', KEYS[1], day)
return 0
