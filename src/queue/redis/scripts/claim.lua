-- One step of a relay: confirms what the executor got in the last step, promotes lines that are due into wakes, then
-- claims wakes, a few per tenant in turn.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), ms a claim lasts, most wakes to claim, most wakes per tenant and round,
--          ms until a wake the executor has is given again, when the claim to confirm ends (0: none), then its lines
-- Result   { when this claim ends, ms until the next line is due (-1: none known), 1 when wakes are left,
--            then tenant, conversation key, number of each wake }
-- A claim that is never confirmed makes its lines due when it ends, whatever became of the relay.
local now = clock(ARGV[1])
local claim_ends, room, quantum = now + tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local due, ring = tag .. ':due', tag .. ':ring'

local again_at, confirmed = now + tonumber(ARGV[5]), tonumber(ARGV[6])
for at = 7, #ARGV do
  -- Another time than the claim's: the line was taken meanwhile, and its lease has set a time of its own.
  if tonumber(call('ZSCORE', due, ARGV[at]) or 0) == confirmed then call('ZADD', due, again_at, ARGV[at]) end
end

-- 100 lines a step: the next step comes at once while there are more.
for _, name in ipairs(call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 100)) do
  local tenant, conversation = name:match('^(.*):([^:]*)$')
  call('ZREM', due, name)
  wake(tenant, conversation, call('INCR', tag .. ':seq'))
end

local result = { claim_ends, -1, 0 }
while room > 0 do
  local tenant = call('LPOP', ring)
  if not tenant then break end
  local outbox = tag .. ':outbox:' .. tenant
  local wakes = call('LPOP', outbox, math.min(room, quantum)) or {}
  for _, entry in ipairs(wakes) do
    local conversation, number = entry:match('^(%S+) (%S+)$')
    -- A line whose time is set was woken before and taken or handed over since.
    if call('ZADD', due, 'NX', claim_ends, tenant .. ':' .. conversation) == 1 then
      result[#result + 1] = tenant
      result[#result + 1] = conversation
      result[#result + 1] = number
      room = room - 1
    end
  end
  if call('EXISTS', outbox) == 1 then call('RPUSH', ring, tenant) end
end

local first = call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
if first then result[2] = math.max(0, tonumber(first) - now) end
result[3] = call('EXISTS', ring)
return result
