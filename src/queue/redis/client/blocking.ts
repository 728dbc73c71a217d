import type { Cluster, Redis } from 'ioredis';

/**
 * How long a blocking read may block, in seconds. Silence is normal for that long, so a blocking connection must not count
 * as dead before.
 */
export const BLOCK_SECONDS = 1;

/** Prepares the connection that BullMQ makes for its blocking reads. */
export function adaptToBullmq(client: Redis | Cluster): void {
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
