-- Reserves amounts under every limit or under none.
--
-- KEYS[1]  tag of the ledger
-- ARGV     now, id, tenant, ms until it is over, ms a run's use is kept, share of a limit that warns, listener and
--          teller ('' for nobody), and per limit: scope, account, window, resource, amount, max ('' unlimited)
-- Result   {'reserved'}, {'killed'}, or {'exhausted', number of the limit, end of its window (0: a run's),
--          1 if it would fit without what others have reserved, 1 if the listener does not know it}
local now, id, ttl, run_keep = clock(ARGV[1]), ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local warn_share, listener, teller = tonumber(ARGV[6]), ARGV[7], ARGV[8]
local FIRST, WIDTH = 9, 6

-- Bounded, so that a call that follows many deaths is not the one that waits for them.
local SWEPT = 8

if call('SISMEMBER', tag .. ':killed', ARGV[3]) == 1 then return { 'killed' } end
sweep(now, SWEPT)
local hold = tag .. ':hold:' .. id
if call('EXISTS', hold) == 1 then return { 'reserved' } end

-- How long what is counted is kept: nobody may settle a use that is gone.
local function keep(use, ends_at)
  call('PEXPIRE', use, ttl + DAY + (ends_at == 0 and run_keep or ends_at - now))
end

local function is_news(use, resource)
  if listener == '' then return 0 end
  local told = resource .. ':told:' .. listener
  call('HSETNX', use, told, teller)
  return call('HGET', use, told) == teller and 1 or 0
end

local lines = {}
for i = FIRST, #ARGV, WIDTH do
  local scope, account, window, resource = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local amount, max = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
  local start, ends_at = window_of(window, now)
  local use = use_key(scope, account, window, start)
  local known = call('HMGET', use, resource, resource .. ':held')
  local used, held = tonumber(known[1]) or 0, tonumber(known[2]) or 0
  if max and used + amount > max then
    local news = is_news(use, resource)
    if news == 1 then keep(use, ends_at) end
    local may_free = used - held + amount <= max and 1 or 0
    return { 'exhausted', (i - FIRST) / WIDTH, ends_at, may_free, news }
  end
  local warn_at = max and math.ceil(max * warn_share) or ''
  lines[#lines + 1] = { use = use, resource = resource, amount = amount, warn_at = warn_at, ends_at = ends_at }
end

if #lines == 0 then return { 'reserved' } end
local fields = { 'until', now + ttl }
for _, line in ipairs(lines) do
  call('HINCRBY', line.use, line.resource, line.amount)
  call('HINCRBY', line.use, line.resource .. ':held', line.amount)
  keep(line.use, line.ends_at)
  fields[#fields + 1] = line.use .. ' ' .. line.resource
  fields[#fields + 1] = string.format('%.0f %s', line.amount, line.warn_at)
end
call('HSET', hold, unpack(fields))
call('ZADD', tag .. ':holds', now + ttl, id)
return { 'reserved' }
