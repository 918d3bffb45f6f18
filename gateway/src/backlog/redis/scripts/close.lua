-- close: raises closed-before to min(time, the server's), never lowers it, and tells the owners. Answers what holds now.
-- ARGV: shard channel, time ms, expiry ms.

local meta, failed = load_meta()
failed = failed or ensure(meta, identity(), tonumber(ARGV[3]))
if failed then
  return failed
end
local closed = math.max(math.min(tonumber(ARGV[2]), now), tonumber(meta.closed) or 0)
redis.call('HSET', KEYS[2], 'closed', text(closed))
refresh(meta, tonumber(ARGV[3]))
redis.call('SPUBLISH', ARGV[1], struct.pack('>BBI8', 1, 2, closed))
return text(closed)
