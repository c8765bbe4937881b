-- Reads entries that no purge has overtaken.
-- KEYS: the entries. ARGV: what all names start with; how long the sequence lives (ms); the caller's time in
-- microseconds, or nothing when Redis's own expiry decides; then the tags that are known beforehand.
-- Answers the sequence's number, the last mark at those tags, and each value or nil.
local prefix = ARGV[1]
local sequence = redis.call('GET', prefix .. 'sequence')
if not sequence then
  -- From the time on, so that it never falls behind what it was before the data was lost.
  local time = redis.call('TIME')
  sequence = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
  redis.call('SET', prefix .. 'sequence', sequence, 'PX', ARGV[2])
end

local function last_mark(names)
  local last = 0
  for _, mark in ipairs(redis.call('MGET', unpack(names))) do
    if mark and tonumber(mark) > last then last = tonumber(mark) end
  end
  return last
end

local known = { prefix .. 'mark:' }
for i = 4, #ARGV do known[#known + 1] = prefix .. 'mark:' .. ARGV[i] end
local answer = { sequence, string.format('%.0f', last_mark(known)) }

for i, key in ipairs(KEYS) do
  local entry = redis.call('HMGET', key, 'value', 'begun', 'expires', 'tags')
  local value = entry[1]
  if value and ARGV[3] ~= '' and tonumber(entry[3]) <= tonumber(ARGV[3]) then value = false end
  if value then
    local names = { prefix .. 'mark:' }
    for tag in string.gmatch(entry[4], '[^\n]+') do names[#names + 1] = prefix .. 'mark:' .. tag end
    if last_mark(names) > tonumber(entry[2]) then
      redis.call('DEL', key)
      value = false
    end
  end
  answer[i + 2] = value
end
return answer
