-- Parks held replies that nobody decided about in time.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), most to park
-- Result   how many were parked
local over = call('ZRANGEBYSCORE', tag .. ':reviews', '-inf', clock(ARGV[1]), 'LIMIT', 0, ARGV[2])
for _, name in ipairs(over) do
  local tenant, id = name:match('^(.*):([^:]*)$')
  if call('HGET', event_key(id), 'state') == 'review' then
    expire_review(tenant, id)
  else
    -- Somebody deleted the record by hand.
    call('ZREM', tag .. ':reviews', name)
  end
end
return #over
