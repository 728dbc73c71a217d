-- Prolongs a lease; with a step, records it in the event's journal under the same lease.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), tenant, conversation key, token, ms from now the lease shall last at least
--          [, event id, step, kind, value as JSON]
-- Result   1, or 0 when the lease is lost and nothing was changed
local tenant, token, step = ARGV[2], ARGV[4], ARGV[7]
local name = tenant .. ':' .. ARGV[3]
local lease = call('HMGET', tag .. ':lease:' .. name, 'token', 'until')
if lease[1] ~= token then return 0 end

local now = clock(ARGV[1])
local until_at = now + tonumber(ARGV[5])
if until_at > tonumber(lease[2]) then
  call('HSET', tag .. ':lease:' .. name, 'until', until_at)
  call('ZADD', tag .. ':due', until_at, name)
end
if step then
  call('HSET', tag .. ':journal:' .. tenant .. ':' .. ARGV[6], step, ARGV[8] .. ' ' .. now .. ' ' .. ARGV[9])
end
return 1
