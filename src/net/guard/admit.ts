import { type AddressKind, addressKind } from './address.ts';
import { type Candidate, checkUrl, type UrlPolicy } from './check-url.ts';
import type { HopReason } from './reasons.ts';
import type { Resolve } from './resolve.ts';

/** A hop that may be made: to these addresses, under this name. */
export interface Target extends Candidate {
  /** All judged; never empty. */
  readonly addresses: readonly [string, ...string[]];
}

export type Admission =
  | { readonly ok: true; readonly target: Target }
  | { readonly ok: false; readonly reason: HopReason };

export interface Hop {
  readonly text: string;
  /** Where the redirect came from; absent for the first hop. */
  readonly base?: URL;
}

/**
 * The one decision of this room: may this hop be made, and to which addresses. Every answer of the resolver is judged;
 * one that is not public refuses them all, because an attacker's name mixes both and lets retries do the rest.
 * @throws what `resolve` throws.
 */
export async function admit(hop: Hop, policy: UrlPolicy, resolve: Resolve, signal: AbortSignal): Promise<Admission> {
  const checked = checkUrl(hop.text, policy, hop.base);
  if (!checked.ok) return checked;
  const { candidate } = checked;
  const { host, isAddress, isConfigured } = candidate;
  // An address that stands on the allow-list itself was meant, whatever it is; a name there may only lead home.
  if (isAddress) return { ok: true, target: { ...candidate, addresses: [host] } };
  const [first, ...rest] = await resolve(host, { signal, isConfigured });
  if (first === undefined) return { ok: false, reason: 'dns-empty' };
  const accepted = isConfigured ? homeKinds : publicKinds;
  for (const address of [first, ...rest]) {
    const kind = addressKind(address);
    if (kind !== 'public' && !accepted.has(kind)) return { ok: false, reason: `address-${kind}` };
  }
  return { ok: true, target: { ...candidate, addresses: [first, ...rest] } };
}

const publicKinds: ReadonlySet<AddressKind> = new Set<AddressKind>(['public']);

/**
 * Where a configured name may lead. Not to metadata services or the link: whoever holds the DNS of a configured vendor
 * could point it there.
 */
const homeKinds: ReadonlySet<AddressKind> = new Set<AddressKind>(['public', 'loopback', 'private', 'shared']);
