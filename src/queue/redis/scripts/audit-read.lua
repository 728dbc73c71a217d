-- A part of a tenant's audit chain.
--
-- KEYS[1]  tag of the shard
-- ARGV     tenant, number of the first entry, most entries
-- Result   { number of the first entry given, hash of the one before it, then the entries as they are stored }
local tenant, chain = ARGV[1], tag .. ':audit:' .. ARGV[1]
local last = tonumber((call('HGET', tag .. ':audit-heads', tenant) or '0'):match('^%d+'))
local oldest = last - call('LLEN', chain) + 1
local from = math.max(tonumber(ARGV[2]), oldest)
local index = from - oldest

local before = index > 0 and call('LINDEX', chain, index - 1)
before = before and before:sub(1, 64) or call('HGET', tag .. ':audit-bases', tenant) or ('0'):rep(64)
return { from, before, unpack(call('LRANGE', chain, index, index + tonumber(ARGV[3]) - 1)) }
