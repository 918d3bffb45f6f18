-- read: the standing and what follows a position, in one instant. Answers {standing, entries}.
-- ARGV: first position wanted, limit, expiry ms.

local meta, failed = load_meta()
failed = failed or ensure(meta, identity(), tonumber(ARGV[3]))
if failed then
  return failed
end
return { standing(meta), redis.call('XRANGE', KEYS[1], ARGV[1], text(meta.last), 'COUNT', ARGV[2]) }
