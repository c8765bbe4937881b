-- Keeps an entry, unless one that was begun later stands there.
-- KEYS: the entry. ARGV: value, stamp, when it expires (microseconds), tags by line, how long Redis keeps it (ms).
local begun = redis.call('HGET', KEYS[1], 'begun')
if begun and tonumber(begun) > tonumber(ARGV[2]) then return end
redis.call('HSET', KEYS[1], 'value', ARGV[1], 'begun', ARGV[2], 'expires', ARGV[3], 'tags', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
