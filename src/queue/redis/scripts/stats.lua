-- Counts a shard's events by state and finds the oldest that waits for its first attempt.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), then the states to count
-- Result   { age of the oldest in ms (0: none), then the count of each state, in order }
local now = clock(ARGV[1])
local result = { 0 }
for at = 2, #ARGV do result[at] = 0 end

for _, tenant in ipairs(call('HKEYS', tag .. ':load')) do
  for at = 2, #ARGV do result[at] = result[at] + call('ZCARD', index_key(ARGV[at], tenant)) end
  -- In order of acceptance the first is the oldest, but for a few: redriven events, whose age starts anew, and late
  -- deliveries.
  for _, id in ipairs(call('ZRANGE', index_key('queued', tenant), 0, 19)) do
    result[1] = math.max(result[1], now - tonumber(call('HGET', event_key(id), 'since')))
  end
end
return result
