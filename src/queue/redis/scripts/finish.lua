-- Ends an attempt and, if more is wanted, leases the next head in the same step.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), tenant, conversation key, claim, lease ms, most attempts, greatest age ms,
--          retention ms, token, event id, run, kind ('done' | 'ignored' | 'parked' | 'review' | 'retry' | 'wait' |
--          'released'), run as JSON, code, delay ms, greatest sum of delays ms, more ('1' or ''), step that is awaited,
--          and for 'review': held reply as JSON, its digest, when it expires
-- Result   as take.lua, or { 'stale' }: the token is not the conversation's, nothing was changed
local line = line_of(ARGV[2], ARGV[3], clock(ARGV[1]), tonumber(ARGV[8]))
local claim, max_attempts = ARGV[4], tonumber(ARGV[6])
local token, id, run, kind, run_json, code = ARGV[9], ARGV[10], ARGV[11], ARGV[12], ARGV[13], ARGV[14]
local delay, max_delay, more = tonumber(ARGV[15]), tonumber(ARGV[16]), ARGV[17] == '1'

local lease = call('HMGET', line.lease, 'token', 'claim')
if lease[1] ~= token then
  -- Sent again after a lost reply, when the first execution has already leased the next head.
  if lease[2] ~= claim then return { 'stale' } end
  local head = call('LINDEX', line.queue, 0)
  return head_answer(head, tonumber(lease[1]), tonumber(call('HGET', event_key(head), 'runs')))
end

-- The event waits, and its line with it.
local function pause(...)
  move(line.tenant, id, 'running', 'waiting', 'run' .. run, run_json, ...)
  if delay <= 0 then return nil end
  local due = line.now + delay
  call('HSET', line.lease, 'notBefore', due)
  call('ZADD', tag .. ':due', due, line.name)
  return { 'later', due }
end

call('DEL', line.lease)
local ended = 'run' .. run
local record = call('HMGET', event_key(id), 'tries', 'waited')
local tries, waited = tonumber(record[1]), (tonumber(record[2]) or 0) + delay

if kind == 'done' or kind == 'ignored' then
  finish_event(line, id, 'running', kind, ended, run_json)
elseif kind == 'parked' then
  park_event(line, id, 'running', code, ended, run_json)
elseif kind == 'review' then
  local held, digest, expires = ARGV[19], ARGV[20], ARGV[21]
  move(line.tenant, id, 'running', 'review', ended, run_json, 'review', held, 'digest', digest, 'until', expires)
  call('ZADD', tag .. ':reviews', expires, line.tenant .. ':' .. id)
  dequeue(line, id)
elseif kind == 'released' then
  move(line.tenant, id, 'running', 'queued', 'tries', tries - 1, ended, run_json)
elseif kind == 'wait' then
  if call('HEXISTS', tag .. ':journal:' .. line.tenant .. ':' .. id, ARGV[18]) == 1 then delay = 0 end
  local answer = pause('tries', tries - 1)
  if answer then return answer end
elseif tries >= max_attempts then
  park_unasked(line, id, 'running', 'ERR_ATTEMPTS_EXHAUSTED', ended, run_json)
elseif waited > max_delay then
  park_unasked(line, id, 'running', 'ERR_BACKOFF_EXHAUSTED', ended, run_json)
else
  local answer = pause('waited', waited)
  if answer then return answer end
end

if more then return take_head(line, claim, tonumber(ARGV[5]), max_attempts, tonumber(ARGV[7])) end
return hand_over(line)
