-- Settles an effect whose outcome was unknown, on an operator's word.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), tenant, event id, step, outcome ('delivered' | 'not_delivered'), retention ms,
--          last run after it as JSON ('' as it is), '1' when the event is over with it
-- Result   'ok'; '' when there is no such event; 'no_effect': that step is not under way; otherwise the state it is in
local now, tenant, id, step = clock(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local record = call('HMGET', event_key(id), 'state', 'code', 'runs')
local state = record[1]
if not state then return '' end
if state ~= 'parked' or record[2] ~= 'ERR_AMBIGUOUS_EFFECT' then return state end
local journal = tag .. ':journal:' .. tenant .. ':' .. id
local value = (call('HGET', journal, step) or ''):match('^intent %d+ (.*)$')
if not value then return 'no_effect' end

if ARGV[5] == 'not_delivered' then
  call('HSET', journal, step, 'refused ' .. now .. ' ' .. value)
  call('HSET', event_key(id), 'code', 'ERR_EFFECT_NOT_DELIVERED')
  return 'ok'
end
call('HSET', journal, step, 'result ' .. now .. ' ' .. value)
if ARGV[8] ~= '1' then
  call('HSET', event_key(id), 'code', 'ERR_EFFECT_NOT_DELIVERED')
  return 'ok'
end
if ARGV[7] ~= '' then call('HSET', event_key(id), 'run' .. record[3], ARGV[7]) end
call('HDEL', event_key(id), 'code')
move(tenant, id, 'parked', 'done')
call('ZADD', tag .. ':ended', now + tonumber(ARGV[6]), tenant .. ':' .. id)
return 'ok'
