-- Stores what every process must agree on at the first start, and says what was agreed.
--
-- KEYS[1]  the key of the agreement
-- ARGV     number of shards, check value of the id key
-- Result   { shards, check value } as stored
redis.call('HSETNX', KEYS[1], 'shards', ARGV[1])
redis.call('HSETNX', KEYS[1], 'idCheck', ARGV[2])
return redis.call('HMGET', KEYS[1], 'shards', 'idCheck')
