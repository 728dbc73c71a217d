/** Which of a tenant's URLs a notification was sent to. */
export interface GraphRoute {
  /** Names one of our own subscriptions; absent on the URLs for hand-made ones. */
  readonly nonce: string | undefined;
}

const NONCE = /^[A-Za-z0-9_-]{22}$/;

/** What follows `/hooks/graph/{tenant}`; null for a path that does not exist. Both kinds of notification may come on each. */
export function routeOf(rest: readonly string[]): GraphRoute | null {
  const [nonce, ...more] = rest[0] === 'lifecycle' ? rest.slice(1) : rest;
  if (more.length > 0) return null;
  return nonce === undefined || NONCE.test(nonce) ? { nonce } : null;
}
