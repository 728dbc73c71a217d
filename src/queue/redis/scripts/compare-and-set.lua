-- Writes or deletes a small record when it still has the revision that was read.
--
-- KEYS[1]  tag of the shard
-- ARGV     collection (of one tenant), name, expected revision (0: absent), value as JSON ('' deletes)
-- Result   1, or 0 when somebody else was first
-- Revisions come from the shard's counter, so a record made again never answers to an old one.
local records, name, value = tag .. ':records:' .. ARGV[1], ARGV[2], ARGV[4]
local stored = call('HGET', records, name)
local revision = stored and stored:match('^%d+') or '0'
if revision ~= ARGV[3] then return 0 end
if value == '' then
  call('HDEL', records, name)
else
  call('HSET', records, name, call('INCR', tag .. ':seq') .. ' ' .. value)
end
return 1
