-- append: skips repeats, assigns positions, stores, announces. Answers {0} where the data set isn't the caller's, else
-- {1, stored, repeats, head}.
-- ARGV: identity, shard channel, source, generation, retained events, retention ms, expiry ms; the break numbers; then per
-- event: place, once, flags (1 = has id, 2 = has key), time, type, data, attributes, id, key, and the head of its announcement.

local server = identity()
if ARGV[1] ~= server then
  return { 0 }
end
local source, generation = ARGV[3], tonumber(ARGV[4])
local retained, retention, expire = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local breaks, FIRST = given_breaks(8)
local WIDTH = 10
local count = (#ARGV - FIRST + 1) / WIDTH

local meta, failed = load_meta(breaks, 's:' .. source)
failed = failed or ensure(meta, server, expire)
if failed then
  return failed
end

local known, place = nil, -1
if meta.extra then
  known, place = string.match(meta.extra, '^(%d+) (%d+)$')
  known, place = tonumber(known), tonumber(place) or -1
end
if known and generation < known then
  return { 1, 0, count, meta.last }
end
if not known or generation > known then
  place = -1
end

-- The last 1,000 ids, each known for 10 min: i:ID -> slot and time, r:SLOT -> ID.
local function seen(id)
  local mark = redis.call('HGET', KEYS[2], 'i:' .. id)
  local at = mark and tonumber(string.match(mark, ' (%d+)$'))
  return at and now - at < 600000
end
local function remember(id)
  local slot = text(meta.ids % 1000)
  local old = redis.call('HGET', KEYS[2], 'r:' .. slot)
  if old then
    local mark = redis.call('HGET', KEYS[2], 'i:' .. old)
    if mark and string.match(mark, '^(%d+) ') == slot then
      redis.call('HDEL', KEYS[2], 'i:' .. old)
    end
  end
  redis.call('HSET', KEYS[2], 'r:' .. slot, id, 'i:' .. id, slot .. ' ' .. text(now))
  meta.ids = meta.ids + 1
end

local origin = source .. '/' .. ARGV[4] .. '/'
local backlog, xadd = KEYS[1], redis.pcall
local function add(i, place, flags)
  local id = text(meta.last + 1) .. '-0'
  if flags == '0' then
    return xadd('XADD', backlog, 'MAXLEN', '~', retained, id, 'type', ARGV[i + 4], 'data', ARGV[i + 5], 'time', ARGV[i + 3],
      'attributes', ARGV[i + 6], 'source', origin .. place)
  elseif flags == '1' then
    return xadd('XADD', backlog, 'MAXLEN', '~', retained, id, 'type', ARGV[i + 4], 'data', ARGV[i + 5], 'time', ARGV[i + 3],
      'attributes', ARGV[i + 6], 'source', origin .. place, 'id', ARGV[i + 7])
  elseif flags == '2' then
    return xadd('XADD', backlog, 'MAXLEN', '~', retained, id, 'type', ARGV[i + 4], 'data', ARGV[i + 5], 'time', ARGV[i + 3],
      'attributes', ARGV[i + 6], 'source', origin .. place, 'key', ARGV[i + 8])
  end
  return xadd('XADD', backlog, 'MAXLEN', '~', retained, id, 'type', ARGV[i + 4], 'data', ARGV[i + 5], 'time', ARGV[i + 3],
    'attributes', ARGV[i + 6], 'source', origin .. place, 'id', ARGV[i + 7], 'key', ARGV[i + 8])
end

local first, stored, remembered = nil, 0, false
local parts, used = { '' }, 1
local oldest = HIGHEST
for i = FIRST, #ARGV, WIDTH do
  local at = tonumber(ARGV[i])
  if at > place then
    place = at
    local once = ARGV[i + 1]
    if once == '' or not seen(once) then
      local flags = ARGV[i + 2]
      local added = add(i, ARGV[i], flags)
      if type(added) == 'table' and added.err then
        if first or not string.find(added.err, 'equal or smaller', 1, true) then
          return redis.error_reply(added.err)
        end
        -- Somebody else wrote to the stream, above what the meta knows: continuity can't be proven.
        failed = open_epoch(meta, server, '', expire)
        if failed then
          return failed
        end
        added = add(i, ARGV[i], flags)
        if type(added) == 'table' and added.err then
          return redis.error_reply(added.err)
        end
      end
      meta.last = meta.last + 1
      first = first or meta.last
      stored = stored + 1
      oldest = math.min(oldest, tonumber(ARGV[i + 3]))
      parts[used + 1], parts[used + 2], parts[used + 3] = ARGV[i + 9], ARGV[i + 4], ARGV[i + 5]
      parts[used + 4], parts[used + 5], parts[used + 6] = ARGV[i + 6], ARGV[i + 7], ARGV[i + 8]
      used = used + 6
      if once ~= '' then
        remember(once)
        remembered = true
      end
    end
  end
end

redis.call('HSET', KEYS[2], 'last', text(meta.last), 's:' .. source, ARGV[4] .. ' ' .. text(place))
if remembered then
  redis.call('HSET', KEYS[2], 'ids', text(meta.ids))
end
if stored > 0 then
  parts[1] = struct.pack('>BBI8I8I4I8I4c0', 1, 1, meta.epoch, first, stored, generation, #source, source)
  redis.call('SPUBLISH', ARGV[2], table.concat(parts))
end
if first == meta.epoch or due(meta) then
  refresh(meta, expire)
end
trim(meta, retention, stored + 64, oldest)
return { 1, stored, count - stored, meta.last }
