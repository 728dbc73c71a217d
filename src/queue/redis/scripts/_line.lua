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

-- Ends the event for good: its retention starts now.
local function finish_event(line, id, from, to)
  move(line.tenant, id, from, to)
  call('ZADD', tag .. ':ended', line.now + line.retention, line.tenant .. ':' .. id)
  dequeue(line, id)
end

local function park_event(line, id, from, code)
  move(line.tenant, id, from, 'parked')
  call('HSET', event_key(id), 'code', code)
  dequeue(line, id)
end

-- Leaves the line idle when it is empty, otherwise in the hands of a new wake.
local function hand_over(line)
  call('DEL', line.lease)
  if call('EXISTS', line.queue) == 0 then
    call('ZREM', tag .. ':due', line.name)
    return { 'empty' }
  end
  wake(line.tenant, line.conversation, call('INCR', tag .. ':seq'))
  ring_bell()
  return { 'handed' }
end

-- The answer for a head that is leased: kind, token, number of the run, fields of the record.
local function head_answer(id, token, run)
  return { 'head', token, run, call('HGETALL', event_key(id)) }
end

-- Events that are ended without a run in one call, so that a long line of expired events cannot block Redis. The rest
-- follows under a new wake.
local SKIPS = 100

-- Leases the first event of the line that may run. Ends those that are too old or have used their attempts on the way.
-- `claim` names this request, so that the same command sent again after a lost reply gets the same answer.
local function take_head(line, claim, lease_ms, max_attempts, max_age)
  for _ = 1, SKIPS do
    local id = call('LINDEX', line.queue, 0)
    if not id then return hand_over(line) end

    local lease = call('HMGET', line.lease, 'token', 'until', 'claim', 'notBefore')
    if lease[1] and lease[3] == claim then
      return head_answer(id, tonumber(lease[1]), tonumber(call('HGET', event_key(id), 'runs')))
    end
    local held = tonumber(lease[2]) or 0
    if lease[1] and held > line.now then
      call('ZADD', tag .. ':due', held, line.name)
      return { 'held', held }
    end
    local not_before = tonumber(lease[4]) or 0
    if not_before > line.now then
      call('ZADD', tag .. ':due', not_before, line.name)
      return { 'later', not_before }
    end

    local record = call('HMGET', event_key(id), 'state', 'tries', 'since')
    local state = record[1]
    call('DEL', line.lease)
    if not state then
      -- Somebody deleted the record by hand; the line must not stand still for it.
      dequeue(line, id)
    elseif (tonumber(record[2]) or 0) >= max_attempts then
      park_event(line, id, state, 'ERR_ATTEMPTS_EXHAUSTED')
    elseif line.now - tonumber(record[3]) > max_age then
      finish_event(line, id, state, 'expired')
    else
      local token = call('INCR', tag .. ':seq')
      local until_at = line.now + lease_ms
      call('HSET', line.lease, 'token', token, 'until', until_at, 'claim', claim)
      call('ZADD', tag .. ':due', until_at, line.name)
      call('HINCRBY', event_key(id), 'tries', 1)
      local run = call('HINCRBY', event_key(id), 'runs', 1)
      call('HSET', event_key(id), 'run' .. run, '{"startedAt":' .. line.now .. ',"outcome":"running"}')
      if state ~= 'running' then move(line.tenant, id, state, 'running') end
      return head_answer(id, token, run)
    end
  end
  return hand_over(line)
end
