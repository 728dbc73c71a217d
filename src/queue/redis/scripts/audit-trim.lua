-- Removes the oldest entries of audit chains, as far as they are old enough without a gap.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), ms entries are kept, most entries to remove
-- Result   how many were removed
local oldest, cutoff, most = tag .. ':audit-oldest', clock(ARGV[1]) - tonumber(ARGV[2]), tonumber(ARGV[3])
local removed = 0
while removed < most do
  local tenant = call('ZRANGEBYSCORE', oldest, '-inf', cutoff, 'LIMIT', 0, 1)[1]
  if not tenant then break end
  local chain = tag .. ':audit:' .. tenant
  local first = call('LINDEX', chain, 0)
  local at = first and tonumber(first:match('%[%d+,(%d+)'))
  while at and at <= cutoff and removed < most do
    call('LPOP', chain)
    -- What is left goes on from it.
    call('HSET', tag .. ':audit-bases', tenant, first:sub(1, 64))
    removed = removed + 1
    first = call('LINDEX', chain, 0)
    at = first and tonumber(first:match('%[%d+,(%d+)'))
  end
  if at then call('ZADD', oldest, at, tenant) else call('ZREM', oldest, tenant) end
end
return removed
