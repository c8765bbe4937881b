-- GCRA over several keys for several callers in one step; the arithmetic of gcra.rs, exact because no number passes 2^53.
-- ARGV: now in microseconds or '' for the server's own time, extra life of a key in milliseconds, then groups of keys,
-- in the order of KEYS: a word, how many keys, and four values per key. With drain, capacity and two numbers more:
--   ask     need (it counts what earlier keys of the group want of the same one), 1 for a shadow. Takes from every key of
--           the group or from none; a shadow is charged if it has room, and keeps nobody out.
--   settle  the least that the level has to be, and what has been let through without asking: charged whatever is left;
--           below zero, what was charged for nothing.
-- And for one key that is the set of those who use the counters:
--   present who, and for how many microseconds that holds. The level in the answer is how many there are.
-- Answer: per key 1 or 0 (has room) and the level after its group.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local extra, exact, ahead, chunk = tonumber(ARGV[2]), 9007199254740992, 1000000, 1000
local stored, meters, answer = {}, {}, {}

for first = 1, #KEYS, chunk do
  local some = redis.call('MGET', unpack(KEYS, first, math.min(first + chunk - 1, #KEYS)))
  for i = 1, #some do
    stored[KEYS[first + i - 1]] = some[i]
  end
end

-- The meter of a key, drained up to now.
local function settled(key, drain, capacity)
  local meter, most = meters[key], math.min(2 * capacity, exact)
  if not meter then
    meter = {amount = 0, drain = drain, capacity = capacity, at = now}
    local amount, rate, since, held = string.match(stored[key] or '', '^(%d+):(%d+):(-?%d+):(%d+)$')
    if amount then
      meter = {amount = tonumber(amount), drain = tonumber(rate), at = tonumber(since), capacity = tonumber(held)}
    end
    meters[key] = meter
  end
  if meter.drain ~= drain or meter.capacity ~= capacity then
    meter.amount, most = math.ceil(meter.amount * drain / meter.drain), capacity
    meter.drain, meter.capacity = drain, capacity
  end
  meter.amount = math.max(math.min(meter.amount, most) - math.max(now - meter.at, 0) * drain, 0)
  if meter.at > now + ahead then
    meter.at = now
  else
    meter.at = math.max(meter.at, now)
  end
  return meter
end

local function report(room, level)
  answer[#answer + 1] = room and 1 or 0
  answer[#answer + 1] = level
end

local key, arg = 0, 2
while arg < #ARGV do
  local word, count = ARGV[arg + 1], tonumber(ARGV[arg + 2])
  arg = arg + 2
  local found, open = {}, true
  if word == 'present' then
    local all, horizon = KEYS[key + 1], tonumber(ARGV[arg + 2])
    redis.call('ZADD', all, string.format('%.0f', now), ARGV[arg + 1])
    redis.call('ZREMRANGEBYSCORE', all, '-inf', string.format('(%.0f', now - horizon))
    redis.call('PEXPIRE', all, string.format('%.0f', horizon / 1000 + extra))
    report(true, redis.call('ZCARD', all))
    key, arg, count = key + 1, arg + 4, 0
  end
  for i = 1, count do
    local drain, capacity = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
    local third, fourth = tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4])
    local meter = settled(KEYS[key + i], drain, capacity)
    if word == 'settle' then
      meter.amount = math.max(math.max(meter.amount, third) + fourth, 0)
      meter.amount = math.min(meter.amount, 2 * capacity, exact)
      meter.dirty = true
      report(true, meter.amount)
    else
      local room = third == 0 or meter.amount + third <= capacity
      open = open and (room or fourth == 1)
      found[i] = {meter = meter, need = third, room = room, level = meter.amount}
    end
    arg = arg + 4
  end
  for i = 1, #found do
    local one = found[i]
    if open and one.room and one.need > 0 then
      one.meter.amount, one.meter.dirty = one.level + one.need, true
    end
    report(one.room, open and one.room and one.level + one.need or one.level)
  end
  key = key + count
end

for name, meter in pairs(meters) do
  if meter.dirty then
    local life = math.ceil((meter.amount / meter.drain + meter.at - now) / 1000) + 1 + extra
    local text = string.format('%.0f:%.0f:%.0f:%.0f', meter.amount, meter.drain, meter.at, meter.capacity)
    redis.call('SET', name, text, 'PX', string.format('%.0f', life))
  end
end
return answer
