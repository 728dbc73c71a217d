import { type AddressKind, addressKind } from './address.ts';
import { type Candidate, checkUrl, isLocalName, type UrlPolicy } from './check-url.ts';
import { type HopReason, OutboundError } from './reasons.ts';
import type { Resolve } from './resolve.ts';

/** Stands for the address of a host that the proxy looks up. */
export const BY_PROXY = 'proxy';

/** A hop that may be made: to these addresses, under this name. */
export interface Target extends Candidate {
  /** All judged; never empty. `BY_PROXY` alone for a public host behind a proxy. */
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
 * Behind a proxy a name without an address here is public: a private one is known here or nowhere.
 * @throws what `resolve` throws.
 */
export async function admit(hop: Hop, policy: UrlPolicy, resolve: Resolve, signal: AbortSignal): Promise<Admission> {
  const checked = checkUrl(hop.text, policy, hop.base);
  if (!checked.ok) return checked;
  const { candidate } = checked;
  const { host, isAddress, isConfigured } = candidate;
  const byProxy: Admission = { ok: true, target: { ...candidate, addresses: [BY_PROXY] } };
  const mayBeProxied = policy.isProxied === true && !isLocalName(host);
  // An address that stands on the allow-list itself was meant, whatever it is; a name there may only lead home.
  if (isAddress) {
    if (policy.isProxied === true && addressKind(host) === 'public') return byProxy;
    return { ok: true, target: { ...candidate, addresses: [host] } };
  }
  const found = resolve(host, { signal, isConfigured });
  const [first, ...rest] = await (mayBeProxied ? found.catch(noneKnown) : found);
  if (first === undefined) return mayBeProxied ? byProxy : { ok: false, reason: 'dns-empty' };
  const accepted = isConfigured ? homeKinds : publicKinds;
  for (const address of [first, ...rest]) {
    const kind = addressKind(address);
    if (kind !== 'public' && !accepted.has(kind)) return { ok: false, reason: `address-${kind}` };
  }
  if (mayBeProxied && [first, ...rest].every((address) => addressKind(address) === 'public')) return byProxy;
  return { ok: true, target: { ...candidate, addresses: [first, ...rest] } };
}

/** A name server that does not answer is common where a proxy is the only way out. */
function noneKnown(error: unknown): readonly string[] {
  if (error instanceof OutboundError && error.reason === 'dns-failed') return [];
  throw error;
}

const publicKinds: ReadonlySet<AddressKind> = new Set<AddressKind>(['public']);

/**
 * Where a configured name may lead. Not to metadata services or the link: whoever holds the DNS of a configured vendor
 * could point it there.
 */
const homeKinds: ReadonlySet<AddressKind> = new Set<AddressKind>(['public', 'loopback', 'private', 'shared']);
