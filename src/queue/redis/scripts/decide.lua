-- Approves, edits or rejects a held reply; the decision and what follows from it are one step.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), tenant, conversation key, event id, claim, digest of what was seen,
--          kind ('approve' | 'edit' | 'reject'), held reply after it as JSON, its digest, retention ms,
--          last run after it as JSON ('' as it is)
-- Result   'ok'; '' when there is no such event; 'changed': another digest is held; 'too_late': parked
--          instead (`expired` is a state); otherwise the state it is in
-- `claim` names this request, so that the same command sent again after a lost reply gets the same answer.
local line = line_of(ARGV[2], ARGV[3], clock(ARGV[1]), tonumber(ARGV[10]))
local tenant, id, claim, kind, review = line.tenant, ARGV[4], ARGV[5], ARGV[7], ARGV[8]
local record = call('HMGET', event_key(id), 'state', 'digest', 'until', 'claim', 'runs')
local state = record[1]
if not state then return '' end
if record[4] == claim then return 'ok' end
if state ~= 'review' then return state end
if line.now >= tonumber(record[3]) then
  expire_review(tenant, id)
  return 'too_late'
end
if record[2] ~= ARGV[6] then return 'changed' end

call('HSET', event_key(id), 'review', review, 'digest', ARGV[9], 'claim', claim)
if ARGV[11] ~= '' then call('HSET', event_key(id), 'run' .. record[5], ARGV[11]) end
if kind == 'approve' then
  leave_review(tenant, id, 'queued', 'since', line.now)
  call('HDEL', event_key(id), 'tries', 'waited')
  enqueue(tenant, line.conversation, id)
elseif kind == 'reject' then
  leave_review(tenant, id, 'done')
  call('ZADD', tag .. ':ended', line.now + line.retention, tenant .. ':' .. id)
end
return 'ok'
