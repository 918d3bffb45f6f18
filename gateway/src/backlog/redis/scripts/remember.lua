-- remember: what this primary remembers of a group. A memory without a name is given one. Answers fields and values.
-- KEYS[1] = watermark. ARGV: a name that nobody else would give, expiry ms.

if not redis.call('HGET', KEYS[1], 'life') then
  redis.call('HSET', KEYS[1], 'life', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('HGETALL', KEYS[1])
