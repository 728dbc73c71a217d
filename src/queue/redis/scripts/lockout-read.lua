-- For how long a key is locked out.
--
-- KEYS[1]  tag of the limits
-- ARGV     now, key
-- Result   ms; 0 if it is not locked out
local known = call('HGET', tag .. ':lockouts', ARGV[2])
if not known then return 0 end
return math.max(0, tonumber(known:match('(%d+)$')) - clock(ARGV[1]))
