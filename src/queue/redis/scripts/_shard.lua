-- Prepended to every script of a shard. KEYS[1] is the shard's tag, e.g. {sp:0}; every other key starts with it, so all
-- of them live in the tag's slot and may be derived here (Redis Cluster checks slots, not names).
--
--   <tag>:seq                          counter of order, wakes and lease tokens; never deleted, never reset
--   <tag>:seen:<tenant>:<key>          string '<event id> <fingerprint>', expires with the window
--   <tag>:clash:<tenant>:<key>:<fp>    string '<event id>' of the conflict recorded for that fingerprint
--   <tag>:event:<id>                   hash, one accepted event and what became of it (record.ts names the fields)
--   <tag>:journal:<tenant>:<id>        hash of steps
--   <tag>:index:<state>:<tenant>       zset of event ids by order of acceptance
--   <tag>:reviews                      zset of '<tenant>:<id>' by the time their held reply expires
--   <tag>:ended                        zset of '<tenant>:<id>' by the time their retention ends
--   <tag>:load                         hash of tenant -> events in conversation queues
--   <tag>:queue:<line>                 list of event ids, the head first; <line> is '<tenant>:<conversation key>'
--   <tag>:lease:<line>                 hash: token, until, claim, notBefore
--   <tag>:due                          zset of lines by the time they are looked at if nothing happens before
--   <tag>:outbox:<tenant>              list of wakes '<conversation key> <number>'
--   <tag>:ring                         list of the tenants that have wakes, each once
--   <tag>:bucket:<tenant>:<channel>    string, when the channel's bucket of events is full again; expires then
--   <tag>:bell                         capped list that idle relays block on
--   <tag>:strays                       capped stream of duplicates whose record is gone
--   <tag>:audit:<tenant>               list, the tenant's audit chain (ports/audit.ts says what an element is)
--   <tag>:audit-heads                  hash of tenant -> '<seq> <hash>' of the latest entry; never deleted
--   <tag>:audit-bases                  hash of tenant -> hash of the latest entry that was trimmed
--   <tag>:audit-oldest                 zset of tenants by the time of their oldest entry
--   <tag>:audit-due                    list of '<tenant> <event id> <code>': what scripts parked, until it is in the chain
--   <tag>:audit-settled                counter of the elements ever removed from audit-due
--
-- Under the tag of the limits:
--   <tag>:rate:<key>                   string, requests in the window that ends when it expires (rate-limiter-flexible)
--   <tag>:lockouts                     hash of key -> '<failures> <their window ends> <step> <locked out until>'
--   <tag>:lockouts-ending              zset of those keys by the time they are forgotten
--   <tag>:failures:<minute>            hash of key -> failures in that minute of the epoch
--
-- A line whose queue is not empty has a wake in its tenant's outbox or a time in `due`: nothing is ever left asleep.
local call = redis.call
local tag = KEYS[1]

-- Epoch milliseconds. Tests pass their own clock; 0 means Redis' own, the only one all processes share.
local function clock(given)
  local now = tonumber(given)
  if now > 0 then return now end
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function event_key(id) return tag .. ':event:' .. id end
local function index_key(state, tenant) return tag .. ':index:' .. state .. ':' .. tenant end

-- Moves an event of the tenant from one state to another, and sets more fields of its record on the way.
local function move(tenant, id, from, to, ...)
  call('HSET', event_key(id), 'state', to, ...)
  if from == to then return end
  local order = call('ZSCORE', index_key(from, tenant), id)
  call('ZREM', index_key(from, tenant), id)
  call('ZADD', index_key(to, tenant), order, id)
end

-- Leaves word of what a script parked by itself: workers put it into the audit, whose hashes Redis cannot make.
local function tell_audit(tenant, id, code) call('RPUSH', tag .. ':audit-due', tenant .. ' ' .. id .. ' ' .. code) end

-- Puts a wake for a line that is not in `due` into its tenant's outbox. Waking twice is harmless: the lease decides.
local function wake(tenant, conversation, number)
  if call('RPUSH', tag .. ':outbox:' .. tenant, conversation .. ' ' .. number) == 1 then
    call('RPUSH', tag .. ':ring', tenant)
  end
end

-- Wakes one idle relay. Capped, because nobody pops while no worker runs; a few stand for many (relays empty the ring).
local function ring_bell()
  if call('LLEN', tag .. ':bell') < 8 then call('RPUSH', tag .. ':bell', '') end
end

-- Appends a queued event to its conversation.
local function enqueue(tenant, conversation, id)
  call('HINCRBY', tag .. ':load', tenant, 1)
  if call('RPUSH', tag .. ':queue:' .. tenant .. ':' .. conversation, id) == 1 then
    wake(tenant, conversation, call('INCR', tag .. ':seq'))
    ring_bell()
  end
end
