-- Leaves the sequence's next number at each tag.
-- KEYS: the sequence. ARGV: what all names start with; how long a mark lives (ms); the tags.
if redis.call('EXISTS', KEYS[1]) == 0 then
  local time = redis.call('TIME')
  redis.call('SET', KEYS[1], string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2])))
end
local number = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
for i = 3, #ARGV do
  redis.call('SET', ARGV[1] .. 'mark:' .. ARGV[i], string.format('%.0f', number), 'PX', ARGV[2])
end
