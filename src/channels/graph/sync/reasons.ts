/** Why an authentic item is not run; each is a metric label and a row of docs/graph.md. */
export type IgnoredReason = 'unsupported_resource' | 'unsupported_change' | 'unknown_lifecycle_event';

/** Why an item is not to be trusted. The other `token_…` reasons are the token verifier's codes. */
export type QuarantineReason =
  | 'bad_item'
  | 'bad_routing_id'
  | 'unknown_subscription'
  | 'client_state'
  | 'other_tenant'
  | 'token_missing'
  | 'unknown_certificate'
  | 'undecryptable'
  | `token_${string}`;
