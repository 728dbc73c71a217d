-- Removes what is in the audit from the front of the list of what scripts parked.
--
-- KEYS[1]  tag of the shard
-- ARGV     how many had ever been removed when the list was read ('0' at first), how many to remove
-- Result   1, or 0 when others were removed meanwhile
--
-- LTRIM alone, sent again after a lost reply, would remove as many again.
local settled = tag .. ':audit-settled'
if (call('GET', settled) or '0') ~= ARGV[1] then return 0 end
call('LTRIM', tag .. ':audit-due', ARGV[2], -1)
call('INCRBY', settled, ARGV[2])
return 1
