-- Records what was called back to a run in its event's journal, and ends the event's wait.
--
-- KEYS[1]  tag of the shard
-- ARGV     now (0: Redis' clock), tenant, conversation key, event id, generation, step, value as JSON
-- Result   { 'accepted' | 'duplicate' | 'conflict' } | { 'over', the state it is in }; { '' } when there is no such event
local line = line_of(ARGV[2], ARGV[3], clock(ARGV[1]), 0)
local id, generation, step, value = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local record = call('HMGET', event_key(id), 'state', 'gen')
local state = record[1]
if not state then return { '' } end

local journal = tag .. ':journal:' .. line.tenant .. ':' .. id
local earlier = call('HGET', journal, step)
if earlier then
  if earlier:match('^%S+ %S+ (.*)$') == value then return { 'duplicate' } end
  return { 'conflict' }
end
if state ~= 'queued' and state ~= 'running' and state ~= 'waiting' then return { 'over', state } end
if (record[2] or '1') ~= generation then return { 'over', state } end

call('HSET', journal, step, 'result ' .. line.now .. ' ' .. value)
if state == 'waiting' then
  -- Nobody holds a lease of a line whose head waits: there is only the time before which it would not be taken.
  call('DEL', line.lease)
  hand_over(line)
end
return { 'accepted' }
