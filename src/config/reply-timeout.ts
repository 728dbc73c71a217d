import type { z } from 'zod';
import type { ChannelName } from '../core/event.ts';
import { settleMs } from '../core/reply-timing.ts';

interface Checked {
  readonly maxAge: number;
  readonly worker: { readonly replyTimeout: number };
  readonly tenants: Readonly<Record<string, Readonly<Partial<Record<ChannelName, unknown>>>>>;
}

const replyChannels = ['slack', 'graph', 'teams', 'gmail'] as const;

/**
 * An attempt whose reply has an unknown outcome waits until it is settled. An event that is too old by then would
 * expire, and its reply would stay unknown.
 */
export function checkReplyTimeout({ maxAge, worker, tenants }: Checked, context: z.RefinementCtx): void {
  const path = ['worker', 'replyTimeout'];
  if (context.issues.some((issue) => issue.path?.join() === path.join())) return;
  const used = replyChannels.filter((name) => Object.values(tenants).some((tenant) => tenant[name] !== undefined));
  for (const name of used) {
    const settledMs = settleMs(name, worker.replyTimeout);
    if (settledMs < maxAge) continue;
    context.addIssue({
      code: 'custom',
      path,
      message: `is too long for SALLYPORT_MAX_AGE: a lost ${name} reply is settled after ${settledMs / 1000} s`,
    });
  }
}
