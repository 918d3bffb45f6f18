-- unregister: removes the ownership if it is still this token's. Answers 1 if it was, else 0.
-- ARGV: replica, number.

local owners, removed = {}, 0
for owner in string.gmatch(redis.call('HGET', KEYS[2], 'owners') or '', '[^;]+') do
  local replica, number = string.match(owner, '^(%S+) (%d+) %d+$')
  if replica == ARGV[1] and number == ARGV[2] then
    removed = 1
  else
    owners[#owners + 1] = owner
  end
end
if removed == 1 then
  if #owners > 0 then
    redis.call('HSET', KEYS[2], 'owners', table.concat(owners, ';'))
  else
    redis.call('HDEL', KEYS[2], 'owners')
  end
end
return removed
