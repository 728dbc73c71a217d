-- Removes events whose retention has ended: record, journal and index together.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), most events to remove
-- Result   how many were removed
local ended = tag .. ':ended'
local names = call('ZRANGEBYSCORE', ended, '-inf', clock(ARGV[1]), 'LIMIT', 0, ARGV[2])
for _, name in ipairs(names) do
  local tenant, id = name:match('^(.*):([^:]*)$')
  local state = call('HGET', event_key(id), 'state')
  if state then call('ZREM', index_key(state, tenant), id) end
  call('DEL', event_key(id), tag .. ':journal:' .. name)
  call('ZREM', ended, name)
end
return #names
