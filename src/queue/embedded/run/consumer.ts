import { codeOf } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ConversationRef } from '../../conversation-ref.ts';
import type { ConsumeOptions, Consumer } from '../../jobs.ts';
import type { Signal } from './signal.ts';
import type { Wakes } from './wakes.ts';

export interface ConsumerParts {
  readonly wakes: Wakes;
  readonly due: Signal<void>;
  /** Removes what is past its time. */
  readonly sweep: () => Promise<void>;
  readonly logger: Logger;
  /** How often other processes' accepts are looked for. */
  readonly pollMs: number;
  readonly sweepMs: number;
}

/** Keeps up to `concurrency` conversations running. */
export function startConsumer(parts: ConsumerParts, { concurrency, run }: ConsumeOptions): Consumer {
  const { wakes, due, sweep, logger, pollMs, sweepMs } = parts;
  const running = new Set<Promise<void>>();
  let closing = false;
  let claiming: Promise<void> | null = null;
  let askedAgain = false;

  function pump(): void {
    if (closing || running.size >= concurrency) return;
    if (claiming !== null) {
      askedAgain = true;
      return;
    }
    claiming = claim().finally(() => {
      claiming = null;
      if (askedAgain) {
        askedAgain = false;
        pump();
      }
    });
  }

  const claim = (): Promise<void> =>
    report('queue.poll_failed', async () => {
      const claimed = await wakes.claim(concurrency - running.size);
      if (closing) await wakes.giveBack(claimed);
      else for (const conversation of claimed) start(conversation);
    });

  function start(conversation: ConversationRef): void {
    const ended = report('conversation.failed', () => run(conversation)).finally(() => {
      running.delete(ended);
      pump();
    });
    running.add(ended);
  }

  /** A failure here leaves the conversation to its next wake; it is logged and goes no further. */
  async function report(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      logger.warn({ code: codeOf(error) }, name);
    }
  }

  const unlisten = due.listen(pump);
  const poll = setInterval(pump, pollMs);
  const sweeper = setInterval(() => void report('queue.sweep_failed', sweep), sweepMs);
  pump();

  return {
    async close(graceMs) {
      closing = true;
      unlisten();
      clearInterval(poll);
      clearInterval(sweeper);
      await claiming;
      await settledWithin(running, graceMs);
    },
  };
}

async function settledWithin(running: ReadonlySet<Promise<void>>, graceMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const grace = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, graceMs);
  });
  await Promise.race([Promise.all(running), grace]);
  clearTimeout(timer);
}
