import { SallyportError } from '../../../core/errors.ts';
import { parseUrl } from '../../../core/text/url.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is, as the URL says. */
export interface Target {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  readonly addresses: readonly [Address, ...Address[]];
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Database number; Cluster has only 0. */
  readonly db: number;
  /** What the Sentinels call the master. */
  readonly master?: string;
}

const invalid = (reason: string): SallyportError =>
  new SallyportError('ERR_CONFIG_INVALID', `The Redis URL is not valid: ${reason}`);

/**
 * Reads `redis://`, `rediss://`, a comma list of them (Cluster; a single seed followed by a comma counts), and
 * `redis+sentinel://host:port,host:port/master[/db]`.
 * @throws SallyportError ERR_CONFIG_INVALID; the text never repeats the URL, which holds a password.
 */
export function parseRedisUrl(url: string): Target {
  const sentinel = /^(rediss?)\+sentinel:\/\/(.*)$/s.exec(url);
  if (sentinel) return sentinelTarget(sentinel[1] === 'rediss', sentinel[2] ?? '');
  const seeds = url.split(',').map((seed) => seed.trim());
  const [first, ...rest] = seeds.filter((seed) => seed !== '').map(parseOne);
  if (first === undefined) throw invalid('it is empty');
  const db = databaseOf(first.pathname.slice(1));
  const kind = seeds.length > 1 ? 'cluster' : 'single';
  if (kind === 'cluster' && db !== 0) throw invalid('Redis Cluster has no numbered databases');
  const tls = first.protocol === 'rediss:';
  return {
    kind,
    addresses: [addressOf(first, 6379), ...rest.map((seed) => addressOf(seed, 6379))],
    tls,
    db,
    ...login(first),
  };
}

/** What is not as it should be on a way that leaves the machine. */
export const linkWarnings = {
  unencrypted: 'events and the password cross the network unencrypted; use rediss://',
  noPassword: 'Redis on another host has no password',
} as const;

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i;

/** The warnings that a Redis URL deserves. @throws SallyportError ERR_CONFIG_INVALID */
export function warningsOf(url: string): readonly (keyof typeof linkWarnings)[] {
  const { addresses, tls, password } = parseRedisUrl(url);
  if (addresses.every(({ host }) => LOOPBACK.test(host))) return [];
  return [...(tls ? [] : ['unencrypted' as const]), ...(password ? [] : ['noPassword' as const])];
}

function sentinelTarget(tls: boolean, text: string): Target {
  const at = text.lastIndexOf('@');
  const [hosts = '', master = '', db = ''] = text.slice(at + 1).split('/');
  if (master === '') throw invalid('the name of the master is missing');
  const [first, ...rest] = hosts.split(',').map((host) => parseOne(`redis://${host.trim()}`));
  if (first === undefined) throw invalid('it names no Sentinel');
  const credentials = parseOne(`redis://${text.slice(0, at + 1)}sentinel`);
  return {
    kind: 'sentinel',
    addresses: [addressOf(first, 26379), ...rest.map((seed) => addressOf(seed, 26379))],
    tls,
    db: databaseOf(db),
    master: decoded(master),
    ...login(credentials),
  };
}

function parseOne(text: string): URL {
  // `host:port` alone is how people continue a Cluster list.
  const full = text.includes('://') ? text : `redis://${text}`;
  const url = parseUrl(full);
  if (url === null || url.hostname === '') throw invalid('a host cannot be read');
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw invalid('its scheme is not redis or rediss');
  return url;
}

const addressOf = (url: URL, defaultPort: number): Address => ({
  host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
  port: url.port === '' ? defaultPort : Number(url.port),
});

function databaseOf(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw invalid('the database is not a number');
  return Number(text);
}

function login(url: URL): { username?: string; password?: string } {
  return {
    ...(url.username !== '' && { username: decoded(url.username) }),
    ...(url.password !== '' && { password: decoded(url.password) }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('a % is not followed by two hexadecimal digits');
  }
}
