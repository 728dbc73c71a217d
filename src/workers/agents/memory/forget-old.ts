import type { Clock } from '../../../core/clock.ts';
import { codeOf } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Lease } from '../../../queue/lease.ts';
import type { Memory } from './memory.ts';

export interface ForgetDeps {
  readonly memory: Memory;
  readonly tenants: readonly string[];
  /** Turns older than this are dropped, in ms. They are not shown any more either way. */
  readonly ageMs: number;
  /** `Lease.acquire`: of all workers one does it. */
  readonly acquire: Lease['acquire'];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often it is done, in ms. Whoever has it keeps the lease for as long, so that it is done once in that time. */
const EVERY_MS = 3_600_000;

/** Drops old turns of conversations nobody goes on with, now and then, until `signal` is aborted. */
export function startForgetting(deps: ForgetDeps, signal: AbortSignal, everyMs = EVERY_MS): void {
  const timer = setInterval(() => void forgetOld(deps, everyMs), everyMs);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

async function forgetOld(
  { memory, tenants, ageMs, acquire, clock, logger }: ForgetDeps,
  holdMs: number,
): Promise<void> {
  try {
    // A little shorter than the pause: the timers of workers are not in step.
    if ((await acquire('memory-forget', Math.ceil(holdMs * 0.9))) === null) return;
    for (const tenant of tenants) {
      const turns = await memory.forget(tenant, ({ at }) => clock() - at > ageMs);
      if (turns > 0) logger.info({ tenant, turns }, 'memory.forgotten');
    }
  } catch (error) {
    logger.warn({ code: codeOf(error) }, 'memory.forget-failed');
  }
}
