-- A page of a tenant's events, the latest accepted first.
--
-- KEYS[1]  tag of the shard
-- ARGV     tenant, order below which the page begins ('+inf' for the first), limit, then the states to show
-- Result   list of { order, fields }
local tenant, below, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local found = {}
for at = 4, #ARGV do
  local index = index_key(ARGV[at], tenant)
  local some = call('ZRANGE', index, '(' .. below, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES')
  for i = 1, #some, 2 do found[#found + 1] = { some[i], tonumber(some[i + 1]) } end
end
table.sort(found, function(a, b) return a[2] > b[2] end)

local page = {}
for i = 1, math.min(limit, #found) do
  page[i] = { found[i][2], call('HGETALL', event_key(found[i][1])) }
end
return page
