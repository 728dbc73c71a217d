-- Notes that the executor has the wakes of a claim: they are given again only when nothing is heard of them.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), when the claim ends, ms until the wakes are given again, then the lines
-- Result   nothing
-- A line whose time is no longer the claim's was taken meanwhile; its lease has set a time of its own.
local due, claim_ends = tag .. ':due', tonumber(ARGV[2])
local again_at = clock(ARGV[1]) + tonumber(ARGV[3])
for at = 4, #ARGV do
  if tonumber(call('ZSCORE', due, ARGV[at]) or 0) == claim_ends then call('ZADD', due, again_at, ARGV[at]) end
end
