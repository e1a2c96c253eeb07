-- Forgets those challenges whose code was given, with everything that they carry.
--
-- KEYS  challenges

for _, key in ipairs(KEYS) do
  local state = redis.call('HGET', key, 'state')
  if state and state ~= 'open' then
    redis.call('DEL', key)
  end
end
return 0
