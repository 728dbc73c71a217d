-- Counts failures of a key, which may lock it out. queue/model/lockout.ts says the same.
--
-- KEYS[1]  tag of the limits
-- ARGV     now, key, failures, their window, first lockout, longest lockout, time after which a step is forgiven (all in
--          ms), keys that are kept at most, how many failures
-- Result   ms for which the key is locked out now; 0 if it is not
local now, key = clock(ARGV[1]), ARGV[2]
local limit, window, first, longest, forgive = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local most, times = tonumber(ARGV[8]), tonumber(ARGV[9])

local function forget(keys)
  for _, each in ipairs(keys) do
    call('HDEL', tag .. ':lockouts', each)
    call('ZREM', tag .. ':lockouts-ending', each)
  end
end
forget(call('ZRANGEBYSCORE', tag .. ':lockouts-ending', '-inf', now, 'LIMIT', 0, 100))

local known = call('HGET', tag .. ':lockouts', key)
local failures, window_ends, step, till = 0, 0, 0, 0
if known then
  local a, b, c, d = known:match('^(%d+) (%d+) (%d+) (%d+)$')
  failures, window_ends, step, till = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
end
if now < till then return till - now end

if now >= window_ends then failures, window_ends = 0, now + window end
failures = failures + times
if failures >= limit then
  local steps = math.ceil(math.log(longest / first) / math.log(2)) + 1
  step = math.min(math.max(0, step - math.floor((now - till) / forgive)) + 1, steps)
  till = now + math.min(first * 2 ^ (step - 1), longest)
  failures, window_ends = 0, 0
end
if not known and call('ZCARD', tag .. ':lockouts-ending') >= most then
  forget(call('ZRANGE', tag .. ':lockouts-ending', 0, 0))
end
call('HSET', tag .. ':lockouts', key, string.format('%.0f %.0f %.0f %.0f', failures, window_ends, step, till))
call('ZADD', tag .. ':lockouts-ending', math.max(window_ends, till + step * forgive), key)
return math.max(0, till - now)
