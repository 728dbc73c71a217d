-- Adds entries to a tenant's audit chain, if it still ends where their first one goes on. Hashes are made by the caller:
-- Redis has no SHA-256.
--
-- KEYS[1]  tag of the shard
-- ARGV     tenant, the end they follow ('<seq> <hash>'), the end after them, then the entries as they are stored
-- Result   '' when they are in the chain; otherwise its end, for the next try ('' is no end: an empty chain has '0 …')
--
-- A call that is sent again after a lost reply finds its own first entry, which holds a mark no other call has.
local tenant, follows, ends = ARGV[1], ARGV[2], ARGV[3]
local heads, chain = tag .. ':audit-heads', tag .. ':audit:' .. tenant

local head = call('HGET', heads, tenant) or ('0 ' .. ('0'):rep(64))
if head ~= follows then
  local since = tonumber(head:match('^%d+')) - (tonumber(follows:match('^%d+')) or 0)
  if since > 0 and call('LINDEX', chain, -since) == ARGV[4] then return '' end
  return head
end

local length
for at = 4, #ARGV do length = call('RPUSH', chain, ARGV[at]) end
call('HSET', heads, tenant, ends)
if length == #ARGV - 3 then call('ZADD', tag .. ':audit-oldest', ARGV[4]:match('%[%d+,(%d+)'), tenant) end
return ''
