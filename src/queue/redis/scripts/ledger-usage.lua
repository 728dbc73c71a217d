-- What stands against limits now.
--
-- KEYS[1]  tag of the ledger
-- ARGV     now, and per limit: scope, account, window, resource
-- Result   {1 if there may be more reservations whose time is over, and per limit: used, of it reserved, end of its
--          window (0: a run's)}
local now = clock(ARGV[1])

-- About 5 ms of work for one call; the caller asks again while there is more.
local SWEPT = 500

local answer = { sweep(now, SWEPT) == SWEPT and 1 or 0 }
for i = 2, #ARGV, 4 do
  local start, ends_at = window_of(ARGV[i + 2], now)
  local known = call('HMGET', use_key(ARGV[i], ARGV[i + 1], ARGV[i + 2], start), ARGV[i + 3], ARGV[i + 3] .. ':held')
  answer[#answer + 1] = tonumber(known[1]) or 0
  answer[#answer + 1] = tonumber(known[2]) or 0
  answer[#answer + 1] = ends_at
end
return answer
