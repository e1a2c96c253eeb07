-- Marks a verified challenge as committed and forgets what it carried but for the result.
--
-- KEYS  challenge
-- ARGV  result, retry window in ms

if redis.call('HGET', KEYS[1], 'state') == 'verified' then
  redis.call('HSET', KEYS[1], 'state', 'committed', 'payload', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
