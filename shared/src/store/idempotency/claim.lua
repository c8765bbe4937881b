-- Claims a key or says what is under it. KEYS: the key. ARGV: now in microseconds or '' for the server's own time, extra
-- life in milliseconds, fingerprint, owner, lease and keep in microseconds, '1' when a lapsed claim may be made anew.
-- Answer: a word, and with 'done' the outcome.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local found = redis.call('HMGET', KEYS[1], 'fingerprint', 'lease', 'outcome', 'expires')
if found[1] and tonumber(found[4]) > now then
  if found[1] ~= ARGV[3] then
    return { 'other' }
  end
  if found[3] then
    return { 'done', found[3] }
  end
  if tonumber(found[2]) > now then
    return { 'running' }
  end
  if ARGV[7] ~= '1' then
    return { 'lapsed' }
  end
end
local keep = tonumber(ARGV[6])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[3], 'owner', ARGV[4],
  'lease', string.format('%.0f', now + tonumber(ARGV[5])), 'expires', string.format('%.0f', now + keep))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(keep / 1000) + tonumber(ARGV[2])))
return { 'ours' }
