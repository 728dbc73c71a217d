-- Leases the head of a conversation.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), tenant, conversation key, claim, lease ms, most attempts, greatest age ms,
--          retention ms
-- Result   { 'head', token, run, fields } | { 'empty' } | { 'held', at } | { 'later', at } | { 'handed' }
local line = line_of(ARGV[2], ARGV[3], clock(ARGV[1]), tonumber(ARGV[8]))
return take_head(line, ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))
