-- raise: raises a group's break number, never lowers it. Answers what holds now.
-- KEYS[1] = control. ARGV: breaks.

local known = tonumber(redis.call('HGET', KEYS[1], 'breaks') or '') or 0
local breaks = math.max(known, tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'breaks', string.format('%.0f', breaks))
return string.format('%.0f', breaks)
