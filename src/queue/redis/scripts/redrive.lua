-- Queues a parked event as a new generation, at the tail of its conversation.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), tenant, conversation key, event id
-- Result   'ok'; '' when there is no such event; 'reply_delivered'; 'ambiguous'; otherwise the state it is in
local now, tenant, conversation, id = clock(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local record = call('HMGET', event_key(id), 'state', 'code', 'runs', 'gen')
local state = record[1]
if not state then return '' end
if state ~= 'parked' then return state end
if record[2] == 'ERR_AMBIGUOUS_EFFECT' then return 'ambiguous' end
for run = 1, tonumber(record[3]) or 0 do
  -- Found without parsing: cjson fails on half a surrogate pair, which a reply may end with. Inside of a text the
  -- quotes would be escaped.
  if call('HGET', event_key(id), 'run' .. run):find('"state":"delivered"', 1, true) then return 'reply_delivered' end
end

move(tenant, id, 'parked', 'queued', 'since', now, 'gen', (tonumber(record[4]) or 1) + 1)
call('HDEL', event_key(id), 'tries', 'waited', 'code')
enqueue(tenant, conversation, id)
return 'ok'
