-- Accepts events, each once. One call carries the events of one shard and tick, in order.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), queue cap per tenant, retention in ms and after it ' <tenant>=<ms>' for those with their
--          own, events in the bucket of a channel, ms in which it fills, then for each event two: its head, which is tenant, identity key, fingerprint, event id, conversation
--          key, window in ms, received at, mentioned ('1' or ''), forget the key when the event starts ('1' or ''),
--          channel, a line each, none of which can hold a line feed; and the event as JSON. An argument costs the client
--          more than a match costs here.
-- Result   flat list of code and event id, in order: 'accepted' | 'duplicate' | 'conflict' | 'full' | 'limited', with ms
--          until it may be tried again in place of the id
--
-- A call that is sent again after a lost reply finds its own ids and answers 'accepted' again.
local HEAD = '^' .. ('([^\n]*)\n'):rep(9) .. '([^\n]*)$'
local cap = tonumber(ARGV[2])
local burst, filling = tonumber(ARGV[4]), tonumber(ARGV[5])
local count = (#ARGV - 5) / 2

-- One number per event: its place in the order of acceptance and, if it needs one, the number of its wake. This write
-- also makes WAIT speak about this connection when the call turns out to hold duplicates only.
local order = call('INCRBY', tag .. ':seq', count) - count

-- What the script needs of a tenant, looked up once: key prefixes, how many events it has queued, how many it gains.
local tenants = {}
local function tenant_of(name)
  local tenant = tenants[name]
  if not tenant then
    tenant = {
      name = name,
      seen = tag .. ':seen:' .. name .. ':',
      queue = tag .. ':queue:' .. name .. ':',
      index = index_key('queued', name),
      load = tonumber(call('HGET', tag .. ':load', name)) or 0,
      gained = 0,
    }
    tenants[name] = tenant
  end
  return tenant
end

-- The bucket of a channel, as the time at which it is full again (queue/model/bucket.ts says the same).
local now, cost = clock(ARGV[1]), filling / burst
local buckets = {}
local function bucket_of(name, channel)
  local key = tag .. ':bucket:' .. name .. ':' .. channel
  local bucket = buckets[key]
  if not bucket then
    bucket = { full_at = math.max(tonumber(call('GET', key)) or 0, now), taken = false }
    buckets[key] = bucket
  end
  return bucket
end

-- Counts a delivery on the record of the event that holds the key. A record that is gone stays gone.
local function count_delivery(original, id, mentioned)
  local state = call('HGET', event_key(original), 'state')
  if not state then
    call('XADD', tag .. ':strays', 'MAXLEN', '~', 1000, '*', 'event', original, 'delivery', id)
    return
  end
  call('HINCRBY', event_key(original), 'again', 1)
  if mentioned == '1' and state == 'queued' then call('HSET', event_key(original), 'named', 1) end
end

-- A tenant's name may hold '-', which means something in a pattern.
local function retention_of(tenant)
  local _, last = ARGV[3]:find(' ' .. tenant .. '=', 1, true)
  return tonumber(ARGV[3]:match('^%d+', last and last + 1 or 1))
end

local function conflict(tenant, key, fingerprint, id, window, since, json)
  local clash = tag .. ':clash:' .. tenant .. ':' .. key .. ':' .. fingerprint
  local known = call('SET', clash, id, 'NX', 'GET', 'PX', window)
  if known == id then return id end
  if known then
    count_delivery(known, id, '')
    return known
  end
  call('HSET', event_key(id), 'event', json, 'state', 'conflict', 'since', since)
  call('ZADD', index_key('conflict', tenant), order, id)
  call('ZADD', tag .. ':ended', now + retention_of(tenant), tenant .. ':' .. id)
  return id
end

local results, woken = {}, false
for at = 6, #ARGV, 2 do
  local name, key, fingerprint, id, conversation, window, since, mentioned, fleeting, channel = ARGV[at]:match(HEAD)
  local json = ARGV[at + 1]
  local tenant = tenant_of(name)
  local full = tenant.load + tenant.gained >= cap
  local bucket = bucket_of(name, channel)
  local wait = bucket.full_at + cost - filling - now
  local limited = wait > 0.001
  order = order + 1
  local previous
  -- A key that is forgotten early cannot tell a call that was sent again: the record can.
  if fleeting == '1' and call('EXISTS', event_key(id)) == 1 then
    previous = id .. ' ' .. fingerprint
  -- Two statements, not `refused and GET or SET`: a missing key is false in Lua, and the event would be marked seen while
  -- it is refused.
  elseif full or limited then
    previous = call('GET', tenant.seen .. key)
  else
    previous = call('SET', tenant.seen .. key, id .. ' ' .. fingerprint, 'NX', 'GET', 'PX', window)
  end

  local outcome, answer = 'accepted', id
  if previous then
    local holder, content = previous:match('^(%S+) (%S+)$')
    if content ~= fingerprint then
      outcome, answer = 'conflict', conflict(name, key, fingerprint, id, window, since, json)
    elseif holder ~= id then
      outcome, answer = 'duplicate', holder
      count_delivery(holder, id, mentioned)
    end
  elseif full then
    outcome = 'full'
  elseif limited then
    outcome, answer = 'limited', string.format('%.0f', math.ceil(wait))
  else
    bucket.full_at, bucket.taken = bucket.full_at + cost, true
    tenant.gained = tenant.gained + 1
    call('HSET', event_key(id), 'event', json, 'state', 'queued', 'since', since)
    if fleeting == '1' then call('HSET', event_key(id), 'seen', key) end
    call('ZADD', tenant.index, order, id)
    -- The first in its queue: the conversation was idle.
    if call('RPUSH', tenant.queue .. conversation, id) == 1 then
      wake(name, conversation, order)
      woken = true
    end
  end
  results[#results + 1] = outcome
  results[#results + 1] = answer
end

for name, tenant in pairs(tenants) do
  if tenant.gained > 0 then call('HINCRBY', tag .. ':load', name, tenant.gained) end
end
for key, bucket in pairs(buckets) do
  if bucket.taken then
    local text = string.format('%.3f', bucket.full_at)
    call('SET', key, text, 'PX', math.ceil(math.max(1, bucket.full_at - now)))
  end
end
if woken then ring_bell() end
return results
