import type { Guardrail } from './guardrail.ts';
import { defang } from './links/defang.ts';
import type { IsListed } from './links/link-hosts.ts';

/** Leaves only links to listed hosts in a reply. */
export const createLinkCheck = (isListed: IsListed): Guardrail => ({
  name: 'links',
  stages: ['output'],
  check({ text }) {
    const safe = defang(text, isListed);
    return safe === text ? { kind: 'pass' } : { kind: 'change', text: safe };
  },
});
