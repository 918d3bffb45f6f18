-- What every verb on a channel shares: its meta, its epochs, the server's identity and clock. Stands before each script.
-- Keys are always KEYS[1] = backlog, KEYS[2] = meta. Nothing is written before everything that can fail has been read.

local KNOWN_EPOCHS = 16
local EPOCH_STEP = 1048576 -- 2^20: a new epoch starts at least so far above what is known
local HIGHEST = 9007199254740992 - 4294967296 -- 2^53, with room for what follows
local BIRTH = 1767225600 -- 2026-01-01 in seconds
local REFRESH = 3600000 -- ms between refreshes of a key's expiry

local function text(number)
  return string.format('%.0f', number)
end

local function refusal(why)
  return redis.error_reply('EGWREFUSED ' .. why)
end

-- It changes on every restart, promotion and change of primary, and never else.
local function identity()
  local info = redis.call('INFO', 'replication')
  local _, before = string.find(info, 'master_replid:', 1, true)
  return string.sub(info, before + 1, before + 40)
end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The break numbers that stand in ARGV from `at` on, as their count, then group and number of each: the fields that the
-- meta holds them in, the numbers, and where ARGV goes on.
local function given_breaks(at)
  local fields, numbers, past = {}, {}, at + 1 + 2 * tonumber(ARGV[at])
  for i = at + 1, past - 1, 2 do
    fields[#fields + 1], numbers[#numbers + 1] = 'b:' .. ARGV[i], tonumber(ARGV[i + 1])
  end
  return { fields = fields, numbers = numbers }, past
end

-- The meta as numbers; nil where a field is absent. The second answer is an error: a key holds something else. `breaks` are
-- what the caller knows, nil for nothing. With `extra`, a field of the caller's, the backlog's type is left to the caller,
-- whose first write will tell.
local function load_meta(breaks, extra)
  local kind = extra and 'stream' or redis.call('TYPE', KEYS[1]).ok
  if kind ~= 'stream' and kind ~= 'none' then
    return nil, redis.error_reply('WRONGTYPE the backlog key of this channel holds a ' .. kind)
  end
  local FIXED = 10
  local raw = redis.call('HMGET', KEYS[2], 'format', 'identity', 'last', 'epoch', 'torn', 'refreshed', 'aged', 'closed',
    'ids', extra or 'format', unpack(breaks and breaks.fields or {}))
  local meta = { identity = raw[2], torn = raw[5] or '', closed = raw[8] or '', extra = raw[10], raised = {} }
  for i, number in ipairs(breaks and breaks.numbers or {}) do
    if number > (tonumber(raw[FIXED + i] or '') or 0) then
      meta.raised[#meta.raised + 1] = breaks.fields[i]
      meta.raised[#meta.raised + 1] = text(number)
    end
  end
  if not raw[1] then
    meta.identity, meta.refreshed, meta.aged, meta.ids = nil, 0, 0, 0
    return meta
  end
  meta.last, meta.epoch = tonumber(raw[3]), tonumber(raw[4])
  if raw[1] ~= '1' then
    -- During a rollout this passes: the events wait for a gateway that can read it.
    return nil, redis.error_reply('EGWFORMAT the meta of this channel is of format ' .. raw[1])
  end
  if not meta.identity or not meta.last or not meta.epoch then
    return nil, refusal('the meta of this channel can\'t be read')
  end
  meta.refreshed = tonumber(raw[6] or '0') or 0
  meta.aged = tonumber(raw[7] or '0') or 0
  meta.ids = tonumber(raw[9] or '0') or 0
  return meta
end

local function due(meta)
  return meta.refreshed + REFRESH <= now or meta.refreshed > now
end

local function refresh(meta, expire)
  redis.call('PEXPIRE', KEYS[1], expire)
  redis.call('PEXPIRE', KEYS[2], expire)
  if due(meta) then
    redis.call('HSET', KEYS[2], 'refreshed', text(now))
    meta.refreshed = now
  end
end

-- Ends the current epoch, if there is one, and starts the next above everything that can be known.
local function open_epoch(meta, server, torn, expire)
  local top = 0
  if redis.call('EXISTS', KEYS[1]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then
        top = tonumber(string.match(info[i + 1], '^(%d+)'))
      end
    end
  end
  local start = math.max(1, (clock[1] - BIRTH) * 64000 + math.floor(clock[2] * 64 / 1000))
  if top > 0 then
    start = math.max(start, top + EPOCH_STEP)
  end
  if meta.identity then
    start = math.max(start, meta.last + EPOCH_STEP)
  end
  if start >= HIGHEST then
    return refusal('the positions of this channel are used up')
  end
  if meta.identity then
    local past = {}
    for epoch in string.gmatch(redis.call('HGET', KEYS[2], 'past') or '', '[^;]+') do
      past[#past + 1] = epoch
    end
    past[#past + 1] = text(meta.epoch) .. ',' .. text(meta.last) .. ',' .. meta.torn
    redis.call('HSET', KEYS[2], 'past', table.concat(past, ';', math.max(1, #past - KNOWN_EPOCHS + 2)))
  end
  meta.identity, meta.epoch, meta.last, meta.torn, meta.refreshed = server, start, start - 1, torn, now
  redis.call('HSET', KEYS[2], 'format', '1', 'identity', server, 'epoch', text(start), 'last', text(start - 1),
    'torn', torn, 'refreshed', text(now))
  refresh(meta, expire)
end

-- Makes the meta one of this server's life that has seen the break numbers it was loaded with. A group whose number it
-- doesn't hold has 0 there.
local function ensure(meta, server, expire)
  local torn = ''
  if meta.identity and #meta.raised > 0 then
    torn = 'source'
  end
  if meta.identity ~= server or torn ~= '' then
    local failed = open_epoch(meta, server, torn, expire)
    if failed then
      return failed
    end
  end
  if #meta.raised > 0 then
    redis.call('HSET', KEYS[2], unpack(meta.raised))
  end
end

-- Removes entries whose `time` is older than `retention` from the front, at most `most` or 256 KiB, at the first moment
-- when there can be one. `added` is the time of the oldest entry that this call has added.
local function trim(meta, retention, most, added)
  if added and added + retention < meta.aged then
    meta.aged = added + retention
    redis.call('HSET', KEYS[2], 'aged', text(meta.aged))
  end
  if now < meta.aged then
    return
  end
  local from, gone, read = '-', nil, 0
  local aged = now + retention
  for step = 1, most do
    local entry = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
    if not entry then
      break
    end
    local fields, time = entry[2], now
    for i = 1, #fields, 2 do
      read = read + #fields[i + 1]
      if fields[i] == 'time' then
        time = tonumber(fields[i + 1]) or 0
      end
    end
    if time + retention > now then
      aged = math.min(aged, time + retention)
      break
    end
    gone, from = entry[1], '(' .. entry[1]
    if read > 262144 then
      aged = now
      break
    end
    if step == most then
      aged = now
    end
  end
  if gone then
    redis.call('XTRIM', KEYS[1], 'MINID', '=', text(tonumber(string.match(gone, '^%d+')) + 1))
  end
  if aged ~= meta.aged then
    redis.call('HSET', KEYS[2], 'aged', text(aged))
  end
end

-- past epochs, current start, last, torn, closed-before
local function standing(meta)
  return { redis.call('HGET', KEYS[2], 'past') or '', text(meta.epoch), text(meta.last), meta.torn, meta.closed }
end
