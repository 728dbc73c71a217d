-- Prepended to the scripts that lease and end heads of a conversation.

-- What these scripts know of one line. `now`, `retention` in ms.
local function line_of(tenant, conversation, now, retention)
  local name = tenant .. ':' .. conversation
  return {
    tenant = tenant,
    conversation = conversation,
    name = name,
    queue = tag .. ':queue:' .. name,
    lease = tag .. ':lease:' .. name,
    now = now,
    retention = retention,
  }
end

-- Takes an event out of its queue, wherever it stands.
local function dequeue(line, id)
  if call('LREM', line.queue, 1, id) == 1 then call('HINCRBY', tag .. ':load', line.tenant, -1) end
end

-- Ends the event for good: its retention starts now. Further arguments are fields of the record.
local function finish_event(line, id, from, to, ...)
  move(line.tenant, id, from, to, ...)
  call('ZADD', tag .. ':ended', line.now + line.retention, line.tenant .. ':' .. id)
  dequeue(line, id)
end

local function park_event(line, id, from, code, ...)
  move(line.tenant, id, from, 'parked', 'code', code, ...)
  dequeue(line, id)
end

-- The same where nobody but the script knows.
local function park_unasked(line, id, from, code, ...)
  park_event(line, id, from, code, ...)
  tell_audit(line.tenant, id, code)
end

-- Ends a run whose worker will not report; `now` is when that became known. `outcome` is JSON after "outcome":.
local function close_run(line, id, run, outcome)
  local open = call('HGET', event_key(id), 'run' .. run)
  local ended = '"finishedAt":' .. line.now .. ',"outcome":' .. outcome
  if open then call('HSET', event_key(id), 'run' .. run, (open:gsub('"outcome":"running"', ended))) end
end

-- For a line without a lease: leaves it idle when it is empty, otherwise in the hands of a new wake.
local function hand_over(line)
  call('ZREM', tag .. ':due', line.name)
  if call('EXISTS', line.queue) == 0 then return { 'empty' } end
  wake(line.tenant, line.conversation, call('INCR', tag .. ':seq'))
  ring_bell()
  return { 'handed' }
end

-- The answer for a head that is leased: kind, token, number of the run, fields of the record.
local function head_answer(id, token, run)
  return { 'head', token, run, call('HGETALL', event_key(id)) }
end

-- Forgets the identity key of an event that holds it only until it starts.
local function forget_key(line, id, key)
  local seen = tag .. ':seen:' .. line.tenant .. ':' .. key
  local holder = call('GET', seen)
  if holder and holder:match('^%S+') == id then call('DEL', seen) end
  call('HDEL', event_key(id), 'seen')
end

-- A failover may take the counter back to before a lease that only the lost primary knew of. Steps of 1 to 4,096 that depend
-- on the claim keep the next lease from having the token of that one, but for once in 4,096 times.
local function lease_head(line, id, record, claim, lease_ms)
  local step = tonumber(redis.sha1hex(claim):sub(1, 3), 16) + 1
  local token = call('INCRBY', tag .. ':seq', step)
  local until_at = line.now + lease_ms
  call('HSET', line.lease, 'token', token, 'until', until_at, 'claim', claim)
  call('ZADD', tag .. ':due', until_at, line.name)
  if record.seen then forget_key(line, id, record.seen) end
  local run = record.runs + 1
  local opened = '{"startedAt":' .. line.now .. ',"outcome":"running"}'
  move(line.tenant, id, record.state, 'running', 'tries', record.tries + 1, 'runs', run, 'run' .. run, opened)
  return head_answer(id, token, run)
end

-- Why the head cannot be leased now, if so: it is held, or it waits. Leaves exactly one wake due for then.
local function not_now(line, lease)
  local kind, at = 'held', lease[1] and tonumber(lease[2])
  if not at then kind, at = 'later', tonumber(lease[4]) end
  if not at or at <= line.now then return nil end
  call('ZADD', tag .. ':due', at, line.name)
  return { kind, at }
end

-- Events that are ended without a run in one call, so that a long line of expired events cannot block Redis. The rest
-- follows under a new wake. `MAX_SKIPPED` in queue/model/transitions.ts.
local SKIPS = 100

-- Leases the first event of the line that may run. Ends those that are too old or have used their attempts on the way.
-- Attempts count before age: what has been begun is parked for a person to see and not removed unseen.
-- `claim` names this request, so that the same command sent again after a lost reply gets the same answer.
local function take_head(line, claim, lease_ms, max_attempts, max_age)
  for _ = 1, SKIPS do
    local id = call('LINDEX', line.queue, 0)
    if not id then break end

    local lease = call('HMGET', line.lease, 'token', 'until', 'claim', 'notBefore')
    local fields = call('HMGET', event_key(id), 'state', 'since', 'tries', 'runs', 'seen')
    local record = {
      state = fields[1],
      since = tonumber(fields[2]),
      tries = tonumber(fields[3]) or 0,
      runs = tonumber(fields[4]) or 0,
      seen = fields[5],
    }
    if lease[1] and lease[3] == claim then return head_answer(id, tonumber(lease[1]), record.runs) end
    local answer = not_now(line, lease)
    if answer then return answer end

    if lease[1] or lease[4] then call('DEL', line.lease) end
    if record.state == 'running' then close_run(line, id, record.runs, '"lost"') end
    if not record.state then
      -- Somebody deleted the record by hand; the line must not stand still for it.
      dequeue(line, id)
    elseif record.tries >= max_attempts then
      park_unasked(line, id, record.state, 'ERR_ATTEMPTS_EXHAUSTED')
    elseif line.now - record.since > max_age then
      finish_event(line, id, record.state, 'expired')
    else
      return lease_head(line, id, record, claim, lease_ms)
    end
  end
  return hand_over(line)
end
