-- Appends one revocation and trims by the server's own time, so that nobody's skewed clock trims what still matters.
-- KEYS: the stream. ARGV: how long an entry is kept in milliseconds, the revocation as JSON.
local time = redis.call('TIME')
local oldest = tonumber(time[1]) * 1000 - tonumber(ARGV[1])
return redis.call('XADD', KEYS[1], 'MINID', '~', string.format('%.0f-0', oldest), '*', 'revocation', ARGV[2])
