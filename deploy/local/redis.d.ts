import type { ChildProcess } from 'node:child_process';

/** A redis-server of its own, with its files in a folder of its own. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Where its files are. */
  readonly folder: string;
  /** The running process; another one after `restart`. */
  readonly process: ChildProcess;
  /** SIGSTOP: the process hangs with its sockets open. */
  pause(): void;
  resume(): void;
  /** SIGKILL; the data folder stays for `restart`. */
  kill(): Promise<void>;
  /** Starts the server again on the same port and folder. */
  restart(): Promise<void>;
  /** SIGTERM: it writes what it has to its files; they stay. */
  end(): Promise<void>;
  /** SIGKILL and removal of the data folder. */
  stop(): Promise<void>;
}

interface Common {
  /** No password otherwise. */
  readonly password?: string | undefined;
  /** Called with each process that is started. */
  readonly onStart?: ((child: ChildProcess) => void) | undefined;
}

export interface RedisServerOptions extends Common {
  readonly port: number;
  readonly folder: string;
  /** More lines of its configuration. */
  readonly lines?: readonly string[] | undefined;
  /** Command line arguments; they override the defaults (AOF everysec, no RDB, noeviction). */
  readonly args?: readonly string[] | undefined;
  /** Lines of the configuration of a Sentinel, which this is then instead of a store. */
  readonly sentinel?: readonly string[] | undefined;
}

export interface RedisServers {
  /** For `SALLYPORT_REDIS_URL`. */
  readonly url: string;
  readonly nodes: readonly RedisServer[];
  /** SIGKILL and removal of all data folders. */
  stop(): Promise<void>;
}

export interface RedisClusterOptions extends Common {
  /** An even number of them: the first half are primaries. */
  readonly ports: readonly { readonly port: number; readonly busPort: number }[];
  readonly folderOf: (port: number) => string | Promise<string>;
  /** Silence after which a node is taken for dead, in ms. */
  readonly nodeTimeoutMs?: number;
}

export interface RedisSentinelsOptions extends Common {
  readonly primary: number;
  readonly replicas: readonly number[];
  readonly sentinels: readonly number[];
  readonly folderOf: (port: number) => string | Promise<string>;
  /** Silence after which a server is taken for dead, in ms. */
  readonly downAfterMs?: number;
}

export const SENTINEL_NAME: string;
export function startRedis(options: RedisServerOptions): Promise<RedisServer>;
export function startRedisCluster(options: RedisClusterOptions): Promise<RedisServers>;
export function startRedisSentinels(options: RedisSentinelsOptions): Promise<RedisServers>;
export function sentinelLines(options: {
  readonly primary: number;
  readonly quorum: number;
  readonly password?: string;
  readonly downAfterMs?: number;
}): readonly string[];
export function untilReplicated(port: number, count: number, password?: string): Promise<void>;
export function ask(port: number, command: string, password?: string): Promise<string>;
