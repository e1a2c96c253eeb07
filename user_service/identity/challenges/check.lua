-- Counts a guess, then compares it, in one step: however many arrive at once, five are evaluated.
--
-- KEYS  challenge, openings of its address
-- ARGV  bound, bare or linked, guesses allowed, bare guesses allowed, retry window in ms,
--       then `kid, digest of the guess` for each key that may have made the code
-- Answers the outcome, and with verified or committed the payload; unknown_key where no outcome
-- can be had.

local key = KEYS[1]
local bare, linked = ARGV[1] == 'bare', ARGV[1] == 'linked'
local allowed, bare_allowed = tonumber(ARGV[2]), tonumber(ARGV[3])
local state, kid, digest, expires, guesses, bare_guesses = unpack(
  redis.call('HMGET', key, 'state', 'kid', 'digest', 'expires', 'guesses', 'bare_guesses'))

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if bare then
  -- Without an id the guess could be meant for any of the address's attempts. Only where there was
  -- no other for a day can nobody be led to activate a stranger's password.
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 86400000)
  if not state or redis.call('ZCARD', KEYS[2]) ~= 1 or tonumber(bare_guesses) >= bare_allowed then
    return {'ambiguous'}
  end
end
if not state then
  return {'expired'}
end

-- Made with a key that this process does not have, as while keys are changed: no guess can be
-- judged, so none is counted.
local guessed
for i = 5, #ARGV, 2 do
  if ARGV[i] == kid then
    guessed = ARGV[i + 1]
  end
end
if not guessed then
  return {'unknown_key'}
end

local function count()
  if bare then
    redis.call('HINCRBY', key, 'bare_guesses', 1)
  end
  return redis.call('HINCRBY', key, 'guesses', 1)
end

-- What a wrong guess is told must not depend on whether somebody has finished: that would tell
-- whoever asked for the code that there is an account.
local open = state == 'open'
local late = now >= tonumber(expires)
local nothing_left = bare and 'ambiguous' or 'expired'
if open and late then
  return {nothing_left}
end
-- A link's token was proven before, so guesses of strangers do not seal it.
if not linked and tonumber(guesses) >= allowed and (open or tonumber(guesses) > allowed) then
  return {late and nothing_left or bare and 'ambiguous' or 'spent'}
end
if open then
  count()
end

-- Digests are keyed: how long a comparison takes says nothing about the code behind one.
if guessed ~= digest then
  -- Once verified, a repetition of the right code is free and a mismatch is not.
  if not open then
    count()
  end
  return {late and nothing_left or 'wrong'}
end

if open then
  redis.call('HSET', key, 'state', 'verified')
  redis.call('PEXPIRE', key, ARGV[4])
  state = 'verified'
end
return {state, redis.call('HGET', key, 'payload')}
