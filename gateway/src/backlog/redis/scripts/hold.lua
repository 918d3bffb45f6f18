-- hold: a replica says how many of a quota it holds in all. Answers 1, or 0 where all together would hold too many.
-- KEYS[1] = quota, a hash: holder -> 'count, server ms at which it said so'.
-- ARGV: holder, count, most ('' = not refused), lease ms, expiry ms, the holders that are known to be alive …

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local count, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local live = {}
for at = 6, #ARGV do
  live[ARGV[at]] = true
end
local all, gone = count, {}
local entries = redis.call('HGETALL', KEYS[1])
for at = 1, #entries, 2 do
  local holder = entries[at]
  if holder ~= ARGV[1] then
    local held, since = string.match(entries[at + 1], '^(%d+) (%d+)$')
    if held and (live[holder] or now - tonumber(since) < tonumber(ARGV[4])) then
      all = all + tonumber(held)
    else
      gone[#gone + 1] = holder
    end
  end
end
for _, holder in ipairs(gone) do
  redis.call('HDEL', KEYS[1], holder)
end
if most and all > most then
  return 0
end
if count == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %.0f', count, now))
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
return 1
