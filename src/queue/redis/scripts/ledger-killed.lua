-- Tenants whose kill switch is on. Forfeits reservations whose time is over on the way.
--
-- KEYS[1]  tag of the ledger
-- ARGV     now
-- Result   tenants
sweep(clock(ARGV[1]), 100)
return call('SMEMBERS', tag .. ':killed')
