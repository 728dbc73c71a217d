/** What a token may allow its holder to do, and what each scope is for. One token may have several. */
export const scopeMeanings = {
  'chat:write': 'send messages to the agent',
  'chat:read': 'read the state and the reply of own messages',
  'events:read': 'list and read events',
  'events:write': 'redrive, park and resolve events',
  'reviews:read': 'list and read held replies',
  'reviews:decide': 'approve, edit and reject held replies',
  'budgets:read': 'read limits and what was spent',
  'budgets:write': 'set limits and turn the kill switch',
  'audit:read': 'read the audit',
  'subscriptions:read': 'read the state of subscriptions',
  'subscriptions:write': 'have subscriptions checked now',
  'guardrails:write': 'invalidate remembered verdicts of guardrails',
  'users:erase': 'erase what a person said and what was made of it',
  'tokens:revoke': 'revoke tokens, and list and delete revocations',
} as const;

export type Scope = keyof typeof scopeMeanings;

export const scopes = Object.keys(scopeMeanings) as readonly Scope[];

export const isScope = (text: string): text is Scope => Object.hasOwn(scopeMeanings, text);
