-- register and verify: makes the replica an owner until its time lapses. Answers the standing.
-- ARGV: replica, number, time to live ms, breaks ('' = unknown), retention ms, expiry ms.

local meta, failed = load_meta()
failed = failed or ensure(meta, identity(), tonumber(ARGV[4]), tonumber(ARGV[6]))
if failed then
  return failed
end
local owners = {}
for owner in string.gmatch(redis.call('HGET', KEYS[2], 'owners') or '', '[^;]+') do
  local replica, expiry = string.match(owner, '^(%S+) %d+ (%d+)$')
  if replica and replica ~= ARGV[1] and tonumber(expiry) > now then
    owners[#owners + 1] = owner
  end
end
owners[#owners + 1] = ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. text(now + tonumber(ARGV[3]))
redis.call('HSET', KEYS[2], 'owners', table.concat(owners, ';'))
if due(meta) then
  refresh(meta, tonumber(ARGV[6]))
end
trim(meta, tonumber(ARGV[5]), 64)
return standing(meta)
