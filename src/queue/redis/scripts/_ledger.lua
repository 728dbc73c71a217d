-- Prepended to the scripts of the ledger. KEYS[1] is its tag, {<prefix>:budget}; every key starts with it.
--
--   <tag>:use:<scope>:<account>:<window>:<start>  hash: per resource what is spent and reserved together ('tokens'),
--                                      what of it is reserved ('tokens:held'), 'tokens:warned', and who told whom that
--                                      it is exhausted ('tokens:told:<listener>' -> teller); expires after its window
--   <tag>:hold:<id>                    hash, one reservation: 'until', and '<use> <resource>' -> '<amount> <warn at>'
--   <tag>:holds                        zset of reservations by the time they are over
--   <tag>:killed                       set of tenants whose kill switch is on
--
-- Giving a reservation's time up moves nothing in the totals: the worst case was counted when it was made.
local DAY = 86400000
local HOUR = 3600000
local MONTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- Start and end of the UTC month. Redis gives scripts no calendar: Howard Hinnant's civil_from_days, whose year begins
-- in March so that the leap day is its last.
local function month_of(now)
  local days = math.floor(now / DAY)
  local since = days + 719468
  local era = math.floor(since / 146097)
  local doe = since - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local march = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * march + 2) / 5) + 1
  local month = march < 10 and march + 3 or march - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  local is_leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  local length = (month == 2 and is_leap) and 29 or MONTHS[month]
  local start = (days - day + 1) * DAY
  return start, start + length * DAY
end

-- Start and end of the window that `now` is in. A run's has neither: 0.
local function window_of(window, now)
  if window == 'run' then return 0, 0 end
  if window == 'month' then return month_of(now) end
  local length = window == 'day' and DAY or HOUR
  local start = now - now % length
  return start, start + length
end

local function use_key(scope, account, window, start)
  return string.format('%s:use:%s:%s:%s:%.0f', tag, scope, account, window, start)
end

-- Calls `visit(use, resource, amount, warn_at)` for each line of a reservation, and forgets it.
local function close_hold(id, fields, visit)
  for i = 1, #fields, 2 do
    local use, resource = fields[i]:match('^(.+) (%a+)$')
    if use then
      local amount, warn_at = fields[i + 1]:match('^(%d+) (%S*)$')
      -- A use that has expired stays gone: adding to it would make a key that never ends.
      if call('HEXISTS', use, resource) == 1 then visit(use, resource, tonumber(amount), tonumber(warn_at)) end
    end
  end
  call('DEL', tag .. ':hold:' .. id)
  call('ZREM', tag .. ':holds', id)
end

-- The worst case is spent for good.
local function forfeit(id, fields)
  close_hold(id, fields, function(use, resource, amount)
    call('HINCRBY', use, resource .. ':held', -amount)
  end)
end

-- Forfeits up to `most` reservations whose time is over, and says how many it found.
local function sweep(now, most)
  local over = call('ZRANGEBYSCORE', tag .. ':holds', '-inf', now, 'LIMIT', 0, most)
  for _, id in ipairs(over) do forfeit(id, call('HGETALL', tag .. ':hold:' .. id)) end
  return #over
end
