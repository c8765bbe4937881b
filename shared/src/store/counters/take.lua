-- GCRA over several keys, all or nothing; the arithmetic of gcra.rs, exact because no number passes 2^53.
-- KEYS: one per take. ARGV: now in microseconds or '' for the server's own time, extra life of a key in milliseconds,
-- then drain, capacity and need of each take (need already counts what earlier takes want of the same key).
-- Answer: per take 1 or 0 (has room) and the level after the call.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local extra = tonumber(ARGV[2])
local stored = redis.call('MGET', unpack(KEYS))
local levels, times, answer, all = {}, {}, {}, true

for i = 1, #KEYS do
  local base = 3 * (i - 1) + 2
  local drain, capacity, need = tonumber(ARGV[base + 1]), tonumber(ARGV[base + 2]), tonumber(ARGV[base + 3])
  local level, at = 0, now
  if stored[i] then
    local amount, rate, since = string.match(stored[i], '^(%d+):(%d+):(-?%d+)$')
    amount, rate, since = tonumber(amount), tonumber(rate), tonumber(since)
    if rate ~= drain then
      amount = math.ceil(amount * drain / rate)
    end
    at = math.max(now, since)
    level = math.max(math.min(amount, capacity) - math.max(now - since, 0) * drain, 0)
  end
  levels[i], times[i] = level, at
  local room = level + need <= capacity
  all = all and room
  answer[2 * i - 1] = room and 1 or 0
  answer[2 * i] = level
end

if all then
  for i = 1, #KEYS do
    local base = 3 * (i - 1) + 2
    local drain, need = tonumber(ARGV[base + 1]), tonumber(ARGV[base + 3])
    if need > 0 then
      local level = levels[i] + need
      local life = math.ceil((level / drain + times[i] - now) / 1000) + 1 + extra
      redis.call('SET', KEYS[i], string.format('%.0f:%.0f:%.0f', level, drain, times[i]), 'PX', string.format('%.0f', life))
      answer[2 * i] = level
    end
  end
end
return answer
