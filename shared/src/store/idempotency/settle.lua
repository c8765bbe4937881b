-- Ends a claim, unless another has it by now. KEYS: the key. ARGV: now in microseconds or '' for the server's own time,
-- extra life in milliseconds, fingerprint, owner, keep in microseconds, 'done', 'unknown' or 'free', the outcome.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local found = redis.call('HMGET', KEYS[1], 'owner', 'expires')
if found[1] and found[1] ~= ARGV[4] and tonumber(found[2]) > now then
  return 0
end
redis.call('DEL', KEYS[1])
if ARGV[6] == 'free' then
  return 1
end
local keep = tonumber(ARGV[5])
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[3], 'owner', ARGV[4],
  'lease', '0', 'expires', string.format('%.0f', now + keep))
if ARGV[6] == 'done' then
  redis.call('HSET', KEYS[1], 'outcome', ARGV[7])
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(keep / 1000) + tonumber(ARGV[2])))
return 1
