import { BLOCK_SECONDS } from '../client/blocking.ts';
import type { OwnConnection } from '../client/connection.ts';

/** Listens for accepted events, so that a run begins within milliseconds and an idle relay costs nothing. */
export interface Bell {
  stop(): void;
}

/**
 * Blocks on the bells of `tags`, which must share a slot in Redis Cluster, on a connection of its own; `ring` is told
 * which one rang. A bell rings for one listener only, which is all that is needed: any relay can serve every wake.
 */
export function listen(connection: OwnConnection, tags: readonly string[], ring: (tag: string) => void): Bell {
  let isStopped = false;
  const bells = tags.map((tag) => `${tag}:bell`);
  void (async () => {
    while (!isStopped) {
      try {
        const rung = await connection.client.blpop(...bells, BLOCK_SECONDS);
        if (rung !== null && !isStopped) ring(rung[0].slice(0, -':bell'.length));
      } catch {
        // Redis is away; the relay looks by itself every second, so a pause loses nothing.
        await new Promise((resolve) => setTimeout(resolve, 200).unref());
      }
    }
  })();
  return {
    stop: () => {
      isStopped = true;
      connection.close();
    },
  };
}
