-- Prepended to the scripts that end or settle what waits for a person.

-- Takes an event out of `review`. Further arguments are fields of the record.
local function leave_review(tenant, id, to, ...)
  move(tenant, id, 'review', to, ...)
  call('ZREM', tag .. ':reviews', tenant .. ':' .. id)
end

-- Nobody decided in time.
local function expire_review(tenant, id)
  leave_review(tenant, id, 'parked', 'code', 'ERR_REVIEW_EXPIRED')
  tell_audit(tenant, id, 'ERR_REVIEW_EXPIRED')
end
