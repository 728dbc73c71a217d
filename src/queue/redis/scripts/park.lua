-- Parks an event on an operator's word. A running worker loses its lease; the next event of the conversation is woken.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), tenant, conversation key, event id
-- Result   the state the event was in; '' when there is no such event
local line = line_of(ARGV[2], ARGV[3], clock(ARGV[1]), 0)
local id = ARGV[4]
local record = call('HMGET', event_key(id), 'state', 'runs')
local state = record[1]
if not state then return '' end
if state ~= 'queued' and state ~= 'waiting' and state ~= 'running' then return state end

local was_head = call('LINDEX', line.queue, 0) == id
if state == 'running' then close_run(line, id, record[2], '"parked","code":"ERR_PARKED_BY_OPERATOR"') end
park_event(line, id, state, 'ERR_PARKED_BY_OPERATOR')
if was_head then
  call('DEL', line.lease)
  hand_over(line)
end
return state
