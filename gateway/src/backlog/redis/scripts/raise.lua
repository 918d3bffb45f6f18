-- raise: raises a group's break number, by one where it isn't below what is given. Answers what holds now.
-- KEYS[1] = control. ARGV: breaks.

local known = tonumber(redis.call('HGET', KEYS[1], 'breaks') or '') or 0
local breaks = math.max(known + 1, tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'breaks', string.format('%.0f', breaks))
return string.format('%.0f', breaks)
