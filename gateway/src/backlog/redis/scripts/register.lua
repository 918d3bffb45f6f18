-- register and verify: makes the replica an owner until its time lapses. Answers the standing.
-- ARGV: replica, number, time to live ms, retention ms, expiry ms; the break numbers.

local meta, failed = load_meta(given_breaks(6), nil)
failed = failed or ensure(meta, identity(), tonumber(ARGV[5]))
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
  refresh(meta, tonumber(ARGV[5]))
end
trim(meta, tonumber(ARGV[4]), 64)
return standing(meta)
