-- raise: raises a group's break number above what it is, above what the caller knows, and to the server's time; once for
-- each cause. Answers what holds now.
-- KEYS[1] = control. ARGV: known, cause ('' = none that others could name too).

local breaks, cause = unpack(redis.call('HMGET', KEYS[1], 'breaks', 'cause'))
breaks = tonumber(breaks or '') or 0
if ARGV[2] == '' or ARGV[2] ~= cause or breaks <= 0 then
  local clock = redis.call('TIME')
  breaks = math.max(breaks + 1, tonumber(ARGV[1]) + 1, clock[1] * 1000 + math.floor(clock[2] / 1000))
  redis.call('HSET', KEYS[1], 'breaks', string.format('%.0f', breaks), 'cause', ARGV[2])
end
return string.format('%.0f', breaks)
