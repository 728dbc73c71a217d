-- Adds to the counts of the current minute.
--
-- KEYS[1]  tag of the limits
-- ARGV     now, keys that are counted at most, and for each key two: the key, how much to add
-- Result   sums, in order
local counts = tag .. ':failures:' .. math.floor(clock(ARGV[1]) / 60000)
local most = tonumber(ARGV[2])
local sums = {}
for at = 3, #ARGV, 2 do
  local key, more = ARGV[at], tonumber(ARGV[at + 1])
  if call('HLEN', counts) < most or call('HEXISTS', counts, key) == 1 then
    sums[#sums + 1] = call('HINCRBY', counts, key, more)
  else
    sums[#sums + 1] = more
  end
end
call('PEXPIRE', counts, 120000)
return sums
