-- Counts a shard's events by state and finds the oldest that waits for its first attempt.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), then the states to count
-- Result   { age of the oldest in ms (0: none), then the count of each state, in order }
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
return result
