-- Counts a part of a tenant's parked events by the code they were parked with.
--
-- KEYS[1]  tag of the shard
-- ARGV     tenant, place of the first in the order of acceptance (0 the earliest), how many
-- Result   { parked events in all, then code and count of each code }
local index = index_key('parked', ARGV[1])
local from = tonumber(ARGV[2])
local counts, codes = {}, {}
local most = tonumber(ARGV[3])
-- A last place of -1 would mean the end of the index.
for _, id in ipairs(most > 0 and call('ZRANGE', index, from, from + most - 1) or {}) do
  local code = call('HGET', event_key(id), 'code') or ''
  if not counts[code] then
    counts[code] = 0
    codes[#codes + 1] = code
  end
  counts[code] = counts[code] + 1
end
local result = { call('ZCARD', index) }
for _, code in ipairs(codes) do
  result[#result + 1] = code
  result[#result + 1] = counts[code]
end
return result
