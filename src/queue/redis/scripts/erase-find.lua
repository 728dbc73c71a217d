-- Finds events that may be a person's: those in whose record or journal the id stands.
--
-- KEYS[1]  tag of the shard
-- ARGV     tenant, order above which it looks, most events to look at, most bytes to look at (one event may be more), the id as JSON, '1'
--          when case does not matter (the id is in lower case then), then every state
-- Result   { order of the last event looked at, 1 when more follow, then the ids found }
local tenant, above, most, most_bytes = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local needle, folded = ARGV[5], ARGV[6] == '1'

local found = {}
for at = 7, #ARGV do
  local some = call('ZRANGE', index_key(ARGV[at], tenant), '(' .. above, '+inf', 'BYSCORE', 'LIMIT', 0, most + 1, 'WITHSCORES')
  for i = 1, #some, 2 do found[#found + 1] = { some[i], tonumber(some[i + 1]) } end
end
table.sort(found, function(a, b) return a[2] < b[2] end)

-- The places that name who wrote an event; the driver looks at them closely.
local function names(id)
  local journal = tag .. ':journal:' .. tenant .. ':' .. id
  local texts = call('HMGET', event_key(id), 'event', 'review')
  local steps = call('HMGET', journal, 'asker', 'turn')
  texts[3], texts[4] = steps[1], steps[2]
  for i = 1, 4 do
    local text = texts[i]
    if text and (folded and text:lower() or text):find(needle, 1, true) then return true end
  end
  return false
end

local function bytes_of(id)
  return call('HSTRLEN', event_key(id), 'event') + call('HSTRLEN', event_key(id), 'review')
    + call('HSTRLEN', tag .. ':journal:' .. tenant .. ':' .. id, 'turn')
end

local result, bytes, looked = { above, 0 }, 0, 0
for i = 1, math.min(most, #found) do
  local id = found[i][1]
  bytes = bytes + bytes_of(id)
  if looked > 0 and bytes > most_bytes then break end
  looked = i
  result[1] = string.format('%.0f', found[i][2])
  if names(id) then result[#result + 1] = id end
end
if looked < #found then result[2] = 1 end
return result
