-- Counts a shard's events by state and what is due, and finds the oldest that waits for its first attempt.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), then the states to count
-- Result   { age of the oldest in ms (0: none), then the count of each state, in order, lines that are due, ms since the
--          first of them came due (0: none; wakes in an outbox have no time), events that wait for the audit }
local LOOKED_AT = 50
local now = clock(ARGV[1])
local result = { 0 }
for at = 2, #ARGV do result[at] = 0 end

for _, tenant in ipairs(call('HKEYS', tag .. ':load')) do
  for at = 2, #ARGV do result[at] = result[at] + call('ZCARD', index_key(ARGV[at], tenant)) end
  -- In order of acceptance the first is the oldest, but for a few: redriven events, whose age starts anew, and late
  -- deliveries.
  for _, id in ipairs(call('ZRANGE', index_key('queued', tenant), 0, LOOKED_AT - 1)) do
    local record = call('HMGET', event_key(id), 'since', 'tries')
    -- What was given back after an earlier attempt does not wait for its first.
    if (tonumber(record[2]) or 0) == 0 then result[1] = math.max(result[1], now - tonumber(record[1])) end
  end
end

local due = tag .. ':due'
local waiting = call('ZCOUNT', due, '-inf', now)
for _, tenant in ipairs(call('LRANGE', tag .. ':ring', 0, -1)) do
  waiting = waiting + call('LLEN', tag .. ':outbox:' .. tenant)
end
local first = call('ZRANGE', due, 0, 0, 'WITHSCORES')
result[#result + 1] = waiting
result[#result + 1] = first[2] and math.max(0, now - tonumber(first[2])) or 0
result[#result + 1] = call('LLEN', tag .. ':audit-due')
return result
