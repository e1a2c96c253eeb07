"""Letting time pass for everything that Redis remembers, without waiting for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from tests.corner import Corner

MINUTE, HOUR, DAY = 60, 3600, 86400

# Moves every moment that is written down, and every expiry, towards the past.
AGE = """
local by = tonumber(ARGV[1])
local function earlier(moment) return string.format('%.0f', tonumber(moment) - by) end

for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  local kind = redis.call('TYPE', key).ok
  if left >= 0 and left <= by then
    redis.call('DEL', key)
  else
    if kind == 'zset' then
      for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
        redis.call('ZINCRBY', key, -by, member)
      end
    elseif kind == 'hash' then
      for _, field in ipairs({'issued', 'expires', 'blocked_until'}) do
        local moment = redis.call('HGET', key, field)
        if moment then redis.call('HSET', key, field, earlier(moment)) end
      end
    elseif kind == 'string' and string.sub(key, 1, 5) == 'rate:' then
      redis.call('SET', key, earlier(redis.call('GET', key)), 'KEEPTTL')
    end
    if left > 0 then redis.call('PEXPIRE', key, left - by) end
  end
end
"""


def let_pass(corner: Corner, seconds: float) -> None:
    """The same as waiting, as far as challenges, limits and throttles in this corner can tell."""
    with redis.Redis.from_url(corner.redis_url) as connection:
        connection.eval(AGE, 0, str(round(seconds * 1000)))


def count_keys(corner: Corner, pattern: str) -> int:
    """How many there are; some may expire at any moment, so only more than before tells."""
    with redis.Redis.from_url(corner.redis_url) as connection:
        return sum(1 for _ in connection.scan_iter(pattern, count=1000))


def forget(corner: Corner, key: str) -> None:
    """What an expiry does to a key."""
    with redis.Redis.from_url(corner.redis_url) as connection:
        assert connection.delete(key) == 1


@contextmanager
def copied(corner: Corner, key: str) -> Iterator[None]:
    """Afterwards the key is again what it was before, as after a failover that lost a second."""
    with redis.Redis.from_url(corner.redis_url) as connection:
        content, left = connection.dump(key), connection.pttl(key)
        assert content is not None
        yield
        connection.restore(key, max(left, 1), content, replace=True)
