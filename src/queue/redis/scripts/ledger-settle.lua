-- Replaces what was reserved by what was used, unless its time is over.
--
-- KEYS[1]  tag of the ledger
-- ARGV     now, id, and per resource: name, amount used; a resource not named was used in full
-- Result   {'settled', and per limit of which the warning share is now spent for the first time: scope, window,
--          resource}, or {'late'} when the worst case is spent
local now, id = clock(ARGV[1]), ARGV[2]
local fields = call('HGETALL', tag .. ':hold:' .. id)
if #fields == 0 then return { 'late' } end
if tonumber(call('HGET', tag .. ':hold:' .. id, 'until')) <= now then
  forfeit(id, fields)
  return { 'late' }
end

local actual = {}
for i = 3, #ARGV, 2 do actual[ARGV[i]] = tonumber(ARGV[i + 1]) end

local answer = { 'settled' }
close_hold(id, fields, function(use, resource, amount, warn_at)
  local used = call('HINCRBY', use, resource, (actual[resource] or amount) - amount)
  local held = call('HINCRBY', use, resource .. ':held', -amount)
  if warn_at and used - held >= warn_at and call('HSETNX', use, resource .. ':warned', 1) == 1 then
    local scope, window = use:sub(#tag + 2):match('^use:(%a+):.*:(%a+):%d+$')
    answer[#answer + 1] = scope
    answer[#answer + 1] = window
    answer[#answer + 1] = resource
  end
end)
return answer
