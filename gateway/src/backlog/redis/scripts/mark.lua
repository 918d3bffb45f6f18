-- mark: stores the offsets about to be committed if this is the data set given and it remembers what was marked before.
-- Answers 1 if stored, 0 if forgotten.
-- KEYS[1] = watermark. ARGV: identity, expiry ms, number of marked, then marked and offsets as field, value.

if string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') ~= ARGV[1] then
  return 0
end
local marked = tonumber(ARGV[3])
for i = 4, 3 + 2 * marked, 2 do
  local remembered = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '')
  if not remembered or remembered < tonumber(ARGV[i + 1]) then
    return 0
  end
end
for i = 4 + 2 * marked, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
