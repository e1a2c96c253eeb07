-- Remembers that somebody else wanted a challenge for the address and got none: the mail they wait
-- for may be another's, so a bare guess must not count any more (see check.lua). Only where a
-- challenge was opened already: a first try that was refused harms nobody's second.
--
-- KEYS  openings of the address

if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('ZADD', KEYS[1], redis.call('TIME')[1] * 1000, 'refused')
  redis.call('PEXPIRE', KEYS[1], 86400000)
end
return 0
