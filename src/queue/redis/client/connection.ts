import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { parseRedisUrl, type Target } from './url.ts';

export type Client = Redis | Cluster;

/** ioredis' options without the reply shapes nobody here asks for; its constructors tell them apart by type. */
type Options = Omit<RedisOptions, 'replyMapping'> & { readonly replyMapping?: 'legacy' };

/** The connections of one process, each as patient as its use needs. What not every role uses opens when asked for. */
export interface Connections {
  readonly isCluster: boolean;
  /** Rejects soon: somebody waits for an HTTP answer. */
  readonly swift: Client;
  /** Outlasts a restart of Redis: a worker has money and a lease at stake. */
  patient(): Client;
  /** As patient, for commands that wait for replicas: what comes after such a command waits as well. */
  replicated(): Client;
  /** A new connection that may block for as long as it likes. */
  blocking(): OwnConnection;
  close(): void;
}

export interface OwnConnection {
  readonly client: Client;
  /** Ends it together with every copy that was made of it (BullMQ makes one for its blocking reads). */
  close(): void;
}

/**
 * Fails fast, measured: with these a stopped, killed or absent Redis rejects within 1.5 s. Without `commandTimeout` a
 * hung one keeps a command for ever; without `enableOfflineQueue: false` an absent one does.
 *
 * `commandTimeout` rejects the command and keeps the connection. `socketTimeout` ends a connection on which a command has
 * waited for so long and not a byte has come: the other side may be gone without a FIN or RST (a frozen master, a
 * firewall that forgot the connection), and TCP itself would take a quarter of an hour to notice. A connection that waits
 * for no reply is never ended by it.
 */
const swiftOptions: Options = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
  commandTimeout: 1_500,
  socketTimeout: 2_000,
};

/** Two thirds of it are left to a busy host when a blocking read has used its `BLOCK_SECONDS`. */
const PATIENT_SILENCE_MS = 3_000;

/**
 * 10 s: the longest gap seen in a Sentinel failover was 3.1 s, and a lease lives for 30 s. A command sent again over the
 * next connection keeps its first deadline.
 */
const patientOptions: Options = {
  maxRetriesPerRequest: null,
  commandTimeout: 10_000,
  socketTimeout: PATIENT_SILENCE_MS,
};
/**
 * A Cluster's client asks again 100 ms after a node has refused or is gone, and rejects after 16 times by default, before a
 * failover has ended. So many times outlast `commandTimeout`, which bounds the wait instead.
 */
const PATIENT_REDIRECTIONS = 120;
/** BullMQ requires null. */
const blockingOptions: Options = { maxRetriesPerRequest: null, socketTimeout: PATIENT_SILENCE_MS };

const common: Options = {
  connectTimeout: 1_000,
  // Until a connection that was ended is destroyed if the other side does not answer: a dead one does not.
  disconnectTimeout: 500,
  // A Sentinel can be as dead as a master; the next one is asked then.
  sentinelCommandTimeout: 1_000,
  retryStrategy: (attempt) => Math.min(50 * attempt, 500),
  // Behind a fixed address (managed Redis) a failover leaves us with what is now a replica: connect and send again.
  reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
};

/**
 * Between two signs of life, in ms. Without them each dead connection would be found by the first command for it: one after
 * the other where a step needs several, and at the cost of an event where a gate was idle.
 */
const PING_EVERY_MS = 1_000;

/** @throws SallyportError ERR_CONFIG_INVALID when the URL cannot be read. */
export function openConnections(url: string, logger: Logger): Connections {
  const target = parseRedisUrl(url);
  const opened = new Set<Client>();
  const open = (options: Options): Client => {
    const client = connect(target, { ...common, ...options });
    dropRejected(client);
    logOutages(client, logger);
    opened.add(client);
    return client;
  };
  const pings = setInterval(() => opened.forEach(ping), PING_EVERY_MS);
  pings.unref();
  let patient: Client | undefined;
  let replicated: Client | undefined;
  return {
    isCluster: target.kind === 'cluster',
    swift: open(swiftOptions),
    patient: () => {
      patient ??= open(patientOptions);
      return patient;
    },
    replicated: () => {
      replicated ??= open(patientOptions);
      return replicated;
    },
    blocking: () => own(open(blockingOptions), opened),
    close: () => {
      clearInterval(pings);
      for (const client of opened) client.disconnect();
    },
  };
}

/** Asks each connection for a sign of life; its `socketTimeout` ends it if none comes. */
function ping(client: Client): void {
  const connections = client.isCluster ? (client as Cluster).nodes() : [client as Redis];
  for (const connection of connections) if (connection.status === 'ready') connection.ping().catch(() => {});
}

/**
 * Keeps account of copies. BullMQ would close its copy itself, but waits for an event that ioredis never sends while it
 * is between two attempts to connect, and the copy would go on trying for ever.
 */
function own(client: Client, opened: Set<Client>): OwnConnection {
  const all: Client[] = [client];
  const duplicate = client.duplicate.bind(client) as (...args: readonly unknown[]) => Client;
  const track = (...args: readonly unknown[]): Client => {
    const copy = duplicate(...args);
    adaptToBullmq(copy);
    all.push(copy);
    opened.add(copy);
    return copy;
  };
  Object.assign(client, { duplicate: track });
  return {
    client,
    close: () => {
      for (const each of all) {
        each.disconnect();
        opened.delete(each);
      }
    },
  };
}

/** Said outright, because Node's own default is what NODE_TLS_REJECT_UNAUTHORIZED makes of it. */
const VERIFIED = { rejectUnauthorized: true, minVersion: 'TLSv1.2' } as const;

function connect(target: Target, options: Options): Client {
  const [first, ...rest] = target.addresses;
  const login: Options = {
    ...defined({ username: target.username, password: target.password }),
    ...(target.tls && { tls: VERIFIED }),
  };
  if (target.kind === 'single') return new Redis({ ...options, ...login, ...first, db: target.db });
  if (target.kind === 'sentinel') {
    const sentinel = { sentinels: [first, ...rest], name: target.master, enableTLSForSentinelMode: target.tls };
    return new Redis({
      ...options,
      ...login,
      ...sentinel,
      ...(target.tls && { sentinelTLS: VERIFIED }),
      db: target.db,
    });
  }
  const { retryStrategy, enableOfflineQueue = true, maxRetriesPerRequest, ...nodeOptions } = options;
  return new Cluster([first, ...rest], {
    enableOfflineQueue,
    // A replica that took over is found also by connections that send nothing.
    slotsRefreshInterval: 5_000,
    ...defined({ clusterRetryStrategy: retryStrategy }),
    ...(maxRetriesPerRequest === null && { maxRedirections: PATIENT_REDIRECTIONS }),
    // With TLS the names that nodes announce must be kept: certificates are for names, not for addresses.
    ...(target.tls && { dnsLookup: (host, done) => done(null, host) }),
    redisOptions: { ...nodeOptions, ...defined({ maxRetriesPerRequest }), ...login },
  });
}

/** One line when a connection is lost and one when it is back, not one for each attempt in between. */
function logOutages(client: Client, logger: Logger): void {
  let isDown = false;
  client.on('error', (error) => {
    if (!isDown) logger.warn({ reason: reasonOf(error) }, 'store.connection_lost');
    isDown = true;
  });
  client.on('ready', () => {
    if (isDown) logger.info({}, 'store.connection_restored');
    isDown = false;
  });
}

/**
 * How long a blocking read may block, in seconds. Silence is normal for that long, so a blocking connection must not count
 * as dead before.
 */
export const BLOCK_SECONDS = 1;

/** Prepares the connection that BullMQ makes for its blocking reads. */
function adaptToBullmq(client: Redis | Cluster): void {
  shortenBlocks(client);
  if (client.isCluster) settleConnect(client as Cluster);
}

/**
 * BullMQ blocks for 10 s after its blocking connection failed, whatever its `drainDelay` says. Such a read would be cut as
 * dead again and again; one that ends early only makes BullMQ look for work and block anew.
 */
function shortenBlocks(client: Redis | Cluster): void {
  const bzpopmin = client.bzpopmin.bind(client) as (key: string, seconds: number) => Promise<unknown>;
  const shortened = (key: string, seconds: number) => bzpopmin(key, Math.min(seconds, BLOCK_SECONDS));
  Object.assign(client, { bzpopmin: shortened });
}

/**
 * BullMQ reconnects after a read that did not end, and waits for `connect`. If the state of a Cluster is not ok at that
 * moment, as in a failover, ioredis never settles that promise and tries again by itself. A worker that went on waiting
 * would take no wake until it was restarted.
 */
function settleConnect(cluster: Cluster): void {
  const connect = cluster.connect.bind(cluster);
  let ready: Promise<void> | undefined;
  const nextReady = (): Promise<void> => {
    ready ??= new Promise((resolve) => {
      cluster.once('ready', () => {
        ready = undefined;
        resolve();
      });
    });
    return ready;
  };
  Object.assign(cluster, { connect: () => Promise.race([connect(), nextReady()]) });
}

/**
 * ioredis declares a class that extends String (`resp/verbatim-string`). V8 then takes `String.prototype` for an object
 * that is still being set up, and every call of a method on any string of the process, `charCodeAt` above all, goes the
 * slow way: scrubbing takes two to three times as long (`npx tsx bench/strings.ts`). Calls through an instance of such
 * a class, seen often enough to be cached, make it look at its prototypes again. Changes nothing else.
 */
export function makeStringsFast(): void {
  class Text extends String {}
  const text = new Text('text');
  for (let call = 0; call < CALLS; call += 1) text.charCodeAt(0);
}

/** V8 caches after a few; the rest is margin. */
const CALLS = 100;

/**
 * Keeps a client from sending commands again that have already been rejected.
 *
 * ioredis sends over a new connection what the lost one left unanswered, commands whose `commandTimeout` has passed
 * included. Nothing waits for those any more, and one that Redis always answers too late would end each connection in turn.
 */
function dropRejected(client: Redis | Cluster): void {
  if (client.isCluster) (client as Cluster).on('+node', dropRejectedOf);
  else dropRejectedOf(client as Redis);
}

type Send = Redis['sendCommand'];

function dropRejectedOf(client: Redis): void {
  const send: Send = client.sendCommand.bind(client);
  /** Pipelines go whole or not at all: ioredis writes one when its last command has been handed over. */
  const dropped = new WeakSet<object>();
  const sendUnlessRejected: Send = (command, pipeline) => {
    if (pipeline === undefined) return command.isSettled ? command.promise : send(command);
    if (command.pipelineIndex === 0 && command.isSettled) dropped.add(pipeline);
    if (!dropped.has(pipeline)) return send(command, pipeline);
    if (!command.isSettled) command.reject(new Error('the pipeline of the command has been rejected'));
    return command.promise;
  };
  Object.assign(client, { sendCommand: sendUnlessRejected });
}

/** ioredis rejects with this text when `commandTimeout` has passed. */
const TIMED_OUT = 'Command timed out';

/** The beginning of ioredis' error when `socketTimeout` has passed. */
const SILENT = 'Socket timeout';

export const isTimeout = (error: unknown): boolean => error instanceof Error && error.message === TIMED_OUT;

/**
 * What callers see of anything Redis or its client throws. The text says what kind of failure it was and nothing of the
 * command: ioredis' errors carry the arguments, which hold events.
 */
export function unavailable(error: unknown): SallyportError {
  if (error instanceof SallyportError) return error;
  return new SallyportError('ERR_STORE_UNAVAILABLE', `Redis did not serve the request (${reasonOf(error)})`);
}

/** What kind of failure it was, from a bounded set of words: never a part of the command or of its arguments. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (isTimeout(error) || error.message.startsWith(SILENT)) return 'timeout';
  if ('code' in error && typeof error.code === 'string' && /^E[A-Z]{2,16}$/.test(error.code)) return error.code;
  // Redis' own errors begin with a code in capitals: OOM, READONLY, LOADING, MISCONF ...
  const code = /^[A-Z]{2,16}(?= )/.exec(error.message)?.[0];
  return code ?? 'connection';
}

/** Redis' own error codes that operators can do something about. */
const REPORTED: ReadonlySet<string> = new Set([
  ...['BUSY', 'CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'MISCONF', 'NOAUTH', 'NOPERM', 'NOREPLICAS', 'OOM', 'READONLY'],
  ...['TRYAGAIN', 'WRONGPASS'],
]);

/**
 * The kind of a failure as a label of a metric: a code of Redis in lower case, `timeout`, `connection` or `other`. Null for
 * errors of ours, which are counted where they arise, except for replicas that are missing: as Redis' own `NOREPLICAS`.
 */
export function failureKindOf(error: unknown): string | null {
  if (error instanceof SallyportError) return error.code === 'ERR_REPLICAS_MISSING' ? 'noreplicas' : null;
  const reason = reasonOf(error);
  if (REPORTED.has(reason)) return reason.toLowerCase();
  if (reason === 'timeout') return reason;
  return reason === 'connection' || (/^E[A-Z]/.test(reason) && reason !== 'ERR') ? 'connection' : 'other';
}

/** Rejects as a timeout after `ms` unless the promise settles before. */
export function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(TIMED_OUT)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
