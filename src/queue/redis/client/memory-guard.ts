import type { Client } from './connection.ts';
import { type Info, infoOfMasters } from './info.ts';

/** Knows when Redis has too little memory left to accept more. */
export interface MemoryGuard {
  /** Answers from the latest look and takes another one beside it when that is old. */
  isFull(): boolean;
}

/**
 * The last tenth belongs to those who empty the queue: at the limit itself Redis refuses every write, the workers' too,
 * and nothing would ever move again.
 */
const FULL_AT = 0.9;
/** At 10,000 events of 2 KB a second that is 5 MB late. */
const LOOK_EVERY_MS = 250;

export function createMemoryGuard(client: Client): MemoryGuard {
  let isFull = false;
  let lookedAt = 0;
  async function look(): Promise<void> {
    const ratios = (await infoOfMasters(client, 'memory')).map(memoryRatioOf);
    isFull = ratios.some((ratio) => ratio !== null && ratio > FULL_AT);
  }
  return {
    isFull: () => {
      if (Date.now() - lookedAt > LOOK_EVERY_MS) {
        lookedAt = Date.now();
        // Redis away or hanging is not for this guard to say: accepting finds out.
        look().catch(() => {});
      }
      return isFull;
    },
  };
}

/** Used share of `maxmemory`; null where there is no limit. */
export function memoryRatioOf(info: Info): number | null {
  const limit = Number(info.get('maxmemory') ?? 0);
  return limit > 0 ? Number(info.get('used_memory')) / limit : null;
}
