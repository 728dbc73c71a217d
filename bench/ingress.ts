import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type RedisServer, startRedis } from '../test/support/redis.ts';
import { type LoadResult, load } from './load.ts';
import { cpuSeconds, freePort, rssMiB, type Server, start } from './process.ts';

/** The four ways to receive a Slack event that are compared. */
export const contestants = {
  a: 'node:http, signature check, 200',
  b: '(a) and one BullMQ add with deduplication',
  c: 'Sallyport: the whole ingress, scrub, metrics and log on',
  d: '@slack/bolt HTTPReceiver, empty listener, nothing stored',
} as const;
export type Contestant = keyof typeof contestants;

export interface Measurement extends LoadResult {
  /** Microseconds of processor time per answered request. */
  readonly ingressCpu: number;
  readonly redisCpu: number;
  /** MiB, right after the load. */
  readonly rss: number;
  readonly startMs: number;
}

const SECRET = randomBytes(16).toString('hex');
const keys = () => randomBytes(32).toString('base64');

export interface Timing {
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly connections: number;
}

/** One contestant on a fresh Redis with AOF on, loaded once. `root`: the worktree whose build (c) is. */
export async function measure(who: Contestant, timing: Timing, root = '.'): Promise<Measurement> {
  const redis = await startRedis();
  const server = await startContestant(who, redis, root);
  try {
    const path = who === 'd' ? '/slack/events' : who === 'c' ? '/hooks/slack/default' : '/';
    const seconds = (timing.warmupMs + timing.measureMs) / 1000;
    const before = { ingress: cpuSeconds(server.pid), redis: cpuSeconds(redis.process.pid ?? 0) };
    const result = await load({ ...timing, port: server.port, path, secret: SECRET, requests: seconds * 25_000 });
    const total = result.total;
    return {
      ...result,
      ingressCpu: ((cpuSeconds(server.pid) - before.ingress) / total) * 1e6,
      redisCpu: ((cpuSeconds(redis.process.pid ?? 0) - before.redis) / total) * 1e6,
      rss: rssMiB(server.pid),
      startMs: server.startMs,
    };
  } finally {
    await server.stop();
    await redis.stop();
  }
}

async function startContestant(who: Contestant, redis: RedisServer, root: string): Promise<Server> {
  const port = await freePort();
  const common = { SLACK_SIGNING_SECRET: SECRET, HOST: '127.0.0.1' };
  switch (who) {
    case 'a':
      return start(['--import', 'tsx', 'bench/contestants/bare.ts'], common, port);
    case 'b':
      return start(['--import', 'tsx', 'bench/contestants/bare.ts'], { ...common, ENQUEUE_TO: redis.url }, port);
    case 'd':
      return start(['--import', 'tsx', 'bench/contestants/bolt.ts'], common, port);
    case 'c': {
      const environment = {
        ...common,
        SALLYPORT_REDIS_URL: redis.url,
        SALLYPORT_SEAL_KEY: keys(),
        SALLYPORT_ID_KEY: keys(),
        SALLYPORT_METRICS_TOKEN: randomBytes(24).toString('hex'),
        SALLYPORT_QUEUE_CAP: '10000000',
        SALLYPORT_CHANNEL_RATE: '100000000/1m',
      };
      return start([join(root, 'bin/sallyport.js'), 'ingress'], environment, port);
    }
  }
}
