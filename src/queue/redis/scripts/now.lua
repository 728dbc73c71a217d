-- The clock that stamps what the other scripts record.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock)
-- Result   epoch ms
return clock(ARGV[1])
