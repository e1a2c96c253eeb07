-- Spends one request from every budget at once, or from none of them.
--
-- KEYS  the client network's budgets (GCRA), one key each; last, the address's log or ''
-- ARGV  id of this share, the network as the log knows it, number of the network's budgets,
--       then `limit, window in ms` for each of them,
--       then `scope, limit, window in ms` for each rule of the log (scope: network or all)
-- Answers 0, or the milliseconds after which the whole request could be admitted.

local share, network, budgets = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait = 0
local arrivals = {}
local position = 4

-- GCRA admits up to twice its figure within a window: good enough for a network, one number each.
for i = 1, budgets do
  local limit, window = tonumber(ARGV[position]), tonumber(ARGV[position + 1])
  position = position + 2
  local arrival = math.max(tonumber(redis.call('GET', KEYS[i])) or now, now) + window / limit
  arrivals[i] = arrival
  wait = math.max(wait, arrival - window - now)
end

-- The address's budget is exact, because guesses are multiplied by it: a log of who sent when.
local log = KEYS[budgets + 1]
if log ~= '' then
  local day = 86400000
  redis.call('ZREMRANGEBYSCORE', log, '-inf', now - day)
  local entries = redis.call('ZRANGE', log, 0, -1, 'WITHSCORES')
  while ARGV[position] do
    local scope, limit, window = ARGV[position], tonumber(ARGV[position + 1]), tonumber(ARGV[position + 2])
    position = position + 3
    local times = {}
    for i = 1, #entries, 2 do
      local sent = tonumber(entries[i + 1])
      local from = string.match(entries[i], '^([^|]*)|')
      if sent > now - window and (scope == 'all' or from == network) then
        times[#times + 1] = sent
      end
    end
    if #times >= limit then
      wait = math.max(wait, times[#times - limit + 1] + window - now)
    end
  end
end

if wait > 0 then
  return math.ceil(wait)
end
for i = 1, budgets do
  redis.call('SET', KEYS[i], string.format('%.0f', arrivals[i]), 'PX', math.ceil(arrivals[i] - now))
end
if log ~= '' then
  redis.call('ZADD', log, now, network .. '|' .. share)
  redis.call('PEXPIRE', log, 86400000)
end
return 0
