-- Replaces an event and its record by what is left after an erasure, and drops its journal. An event that had not ended
-- ends; a worker that runs it loses its lease, and the next event of its conversation is woken.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), tenant, conversation key, event id, retention ms, then what was read: state, number of
--          runs, last run, held reply ('' for none), then what is left: state, code for an event that ends by it, event,
--          each run
-- Result   'ok'; '' when there is no such event; 'changed': it is not as it was read, and nothing was done
local line = line_of(ARGV[2], ARGV[3], clock(ARGV[1]), tonumber(ARGV[5]))
local tenant, id, from, runs, to = line.tenant, ARGV[4], ARGV[6], ARGV[7], ARGV[10]
local record = call('HMGET', event_key(id), 'state', 'runs', 'run' .. runs, 'review')
if not record[1] then return '' end
if record[1] ~= from or (record[2] or '0') ~= runs then return 'changed' end
if (record[3] or '') ~= ARGV[8] or (record[4] or '') ~= ARGV[9] then return 'changed' end

call('HSET', event_key(id), 'event', ARGV[12])
for run = 1, tonumber(runs) do call('HSET', event_key(id), 'run' .. run, ARGV[12 + run]) end
call('HDEL', event_key(id), 'review', 'digest', 'until', 'claim')
call('DEL', tag .. ':journal:' .. tenant .. ':' .. id)
if to == from then return 'ok' end

local was_head = call('LINDEX', line.queue, 0) == id
call('ZREM', tag .. ':reviews', tenant .. ':' .. id)
if from == 'review' or from == 'parked' then
  move(tenant, id, from, to, 'code', ARGV[11])
  call('ZADD', tag .. ':ended', line.now + line.retention, tenant .. ':' .. id)
else
  finish_event(line, id, from, to, 'code', ARGV[11])
end
if was_head then
  call('DEL', line.lease)
  hand_over(line)
end
return 'ok'
