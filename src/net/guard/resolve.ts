import { lookup, Resolver } from 'node:dns/promises';
import { failed } from './reasons.ts';

export interface ResolveContext {
  readonly signal: AbortSignal;
  /** The name stands on the allow-list: `/etc/hosts` and search lists may complete it, as in any other configuration. */
  readonly isConfigured: boolean;
}

/**
 * Every address a name has now, IPv4 and IPv6, in plain spelling; empty when it has none. The guard asks once per hop,
 * judges all of them and connects to none but these.
 * @throws OutboundError ERR_OUTBOUND_FAILED `dns-failed` when the answer is not known.
 */
export type Resolve = (host: string, context: ResolveContext) => Promise<readonly string[]>;

export interface DnsOptions {
  /** Name servers (`192.0.2.53` or `192.0.2.53:5353`); default: those of the machine. */
  readonly servers?: readonly string[];
  /** For one question to one server, in milliseconds. */
  readonly timeoutMs?: number;
}

/** Answers that mean "no such address", as opposed to "not known". */
const absent = new Set(['ENOTFOUND', 'ENODATA']);

/**
 * Asks the name servers themselves. `getaddrinfo` would occupy one of libuv's four threads per slow name, so that a
 * stranger's dead name servers could stop file and crypto work, and would add `/etc/hosts`, mDNS and search lists to
 * what a stranger's URL can name. It serves configured names only.
 */
export function createDnsResolve({ servers, timeoutMs = 2_000 }: DnsOptions = {}): Resolve {
  return async (host, { signal, isConfigured }) => {
    signal.throwIfAborted();
    if (isConfigured) return systemAddresses(host);
    const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
    if (servers !== undefined) resolver.setServers(servers);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      // One family may fail as long as the other answers: some name servers never answer for AAAA.
      return known([...addressesOf(ipv4), ...addressesOf(ipv6)], [ipv4, ipv6]);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}

const addressesOf = (answer: PromiseSettledResult<readonly string[]>): readonly string[] =>
  answer.status === 'fulfilled' ? answer.value : [];

function known(addresses: readonly string[], answers: readonly PromiseSettledResult<unknown>[]): readonly string[] {
  const unknown = answers.some((answer) => answer.status === 'rejected' && !isAbsent(answer.reason));
  if (addresses.length === 0 && unknown) throw failed('dns-failed');
  return addresses;
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && absent.has(String(error.code));

async function systemAddresses(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw failed('dns-failed');
  }
}
