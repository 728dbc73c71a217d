import { rootCertificates } from 'node:tls';
import { buildConnector, Pool } from 'undici';
import { withinTime } from '../core/linked-signal.ts';
import { BY_PROXY } from './guard/admit.ts';
import { failed } from './guard/reasons.ts';
import { tunnelled } from './tunnel.ts';

/** Opens one socket; always called with a judged address as `hostname`, never with a name. */
export type Connector = buildConnector.connector;

export interface PoolOptions {
  /** Certificates (PEM) trusted beside the usual roots. */
  readonly ca?: readonly string[];
  /** The step that opens sockets; default: TCP and verified TLS. */
  readonly connector?: Connector;
  /** Where sockets to `BY_PROXY` are opened; see `tunnelled`. */
  readonly proxy?: string;
  /** How long one socket may take to open, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest wait for a header or a next byte, in milliseconds. */
  readonly idleTimeoutMs: number;
}

/** Sockets per origin and address; more requests wait their turn. */
const SOCKETS_PER_POOL = 16;
/** Origins come from strangers: the least recently used pool goes when there are more. */
const MAX_POOLS = 128;
/** However long a server offers to keep a socket. */
const KEEP_ALIVE_MAX_MS = 30_000;

export interface Pools {
  has(origin: string, address: string): boolean;
  get(origin: string, address: string): Pool;
  /** Forgets a pool whose address does not answer. */
  drop(origin: string, address: string): void;
  /** Waits for requests under way, `graceMs` at most; what is open then is cut. No pool is made any more. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Keep-alive sockets by origin *and* address. A socket is used again only for a request whose own lookup gave that
 * address, so a pooled connection never outlives the decision that opened it.
 */
export function createPools(options: PoolOptions): Pools {
  const connector = explaining(options.connector ?? createConnector(options));
  const connectorFor = (origin: string, address: string): Connector =>
    address === BY_PROXY && options.proxy !== undefined
      ? tunnelled(options.proxy, origin, connector, options.connectTimeoutMs)
      : pinned(connector, address);
  const pools = new Map<string, Pool>();
  /** Forgotten, with requests that have not ended yet. */
  const ending = new Map<Pool, Promise<void>>();
  let isClosed = false;
  const keyOf = (origin: string, address: string): string => `${origin} ${address}`;
  const end = (key: string, pool: Pool): void => {
    pools.delete(key);
    const ended = pool
      .close()
      .catch(() => pool.destroy())
      .finally(() => ending.delete(pool));
    ending.set(pool, ended);
  };
  return {
    has: (origin, address) => pools.has(keyOf(origin, address)),
    get(origin, address) {
      if (isClosed) throw failed('client-closed');
      const key = keyOf(origin, address);
      const pool = pools.get(key) ?? createPool(origin, connectorFor(origin, address), options.idleTimeoutMs);
      pools.delete(key);
      pools.set(key, pool);
      const [oldest] = pools;
      if (oldest !== undefined && pools.size > MAX_POOLS) end(...oldest);
      return pool;
    },
    drop(origin, address) {
      const key = keyOf(origin, address);
      const pool = pools.get(key);
      if (pool !== undefined) end(key, pool);
    },
    async close(graceMs) {
      isClosed = true;
      for (const [key, pool] of pools) end(key, pool);
      const ended = Promise.all(ending.values());
      if (graceMs === undefined) return void (await ended);
      // What has not ended by then is cut.
      await withinTime(graceMs, undefined, () => ended).catch(() => {});
      await Promise.all([...ending.keys()].map((pool) => pool.destroy()));
    },
  };
}

const createPool = (origin: string, connect: Connector, idleTimeoutMs: number): Pool =>
  new Pool(origin, {
    connect,
    connections: SOCKETS_PER_POOL,
    pipelining: 1,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    headersTimeout: idleTimeoutMs,
    bodyTimeout: idleTimeoutMs,
    maxHeaderSize: 16_384,
  });

/**
 * Opens sockets to `address` and nowhere else. Only `hostname` changes: undici takes SNI and the name the certificate
 * must carry from `host`, so both stay the URL's. With an address there is no lookup left that could answer differently.
 */
const pinned =
  (connector: Connector, address: string): Connector =>
  (options, callback) =>
    connector({ ...options, hostname: address }, callback);

/** With our words for what went wrong. */
const explaining =
  (connector: Connector): Connector =>
  (options, callback) =>
    connector(options, (...[error, socket]) => {
      if (error === null) callback(null, socket);
      else callback(failed(isConnectFailure(error) ? 'connect-failed' : 'tls-failed'), null);
    });

/** No connection at all, as opposed to one whose other end could not prove who it is. */
const isConnectFailure = (error: Error): boolean =>
  ('syscall' in error && error.syscall === 'connect') || ('code' in error && error.code === 'UND_ERR_CONNECT_TIMEOUT');

/**
 * Both TLS settings are written out because the environment (`NODE_TLS_REJECT_UNAUTHORIZED`, `--tls-min-v1.0`) changes
 * their defaults. `ca` replaces Node's roots, so they are added; without `ca` the defaults (and `NODE_EXTRA_CA_CERTS`) stay.
 */
const createConnector = ({ ca, connectTimeoutMs }: PoolOptions): Connector =>
  buildConnector({
    timeout: connectTimeoutMs,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(ca !== undefined && { ca: [...rootCertificates, ...ca] }),
  });
