-- read: the standing and what follows a position, in one instant. Answers {standing, entries}: at most so many, and no more
-- than so many bytes, unless the first alone is larger.
-- ARGV: first position wanted, limit, bytes, expiry ms.

local meta, failed = load_meta()
failed = failed or ensure(meta, identity(), tonumber(ARGV[4]))
if failed then
  return failed
end

local entries, limit, room = {}, tonumber(ARGV[2]), tonumber(ARGV[3])
local from, step = ARGV[1], 32
repeat
  local asked = math.min(step, limit - #entries)
  local some = redis.call('XRANGE', KEYS[1], from, text(meta.last), 'COUNT', asked)
  for _, entry in ipairs(some) do
    for field = 2, #entry[2], 2 do
      room = room - #entry[2][field]
    end
    if room < 0 and #entries > 0 then
      return { standing(meta), entries }
    end
    entries[#entries + 1], from = entry, '(' .. entry[1]
  end
  step = step * 2
until #some < asked or #entries == limit
return { standing(meta), entries }
