-- Renews or releases a named lease for the holder who still has it.
--
-- KEYS[1]  tag of the shard
-- ARGV     name, holder, ms to hold on (0 releases)
-- Result   1, or 0 when another has it or nobody
local lock = tag .. ':lock:' .. ARGV[1]
if call('GET', lock) ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then return call('DEL', lock) end
return call('PEXPIRE', lock, ARGV[3])
