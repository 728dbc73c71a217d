import type { z } from 'zod';
import type { ChannelModule } from '../channels/module.ts';
import { channelModules } from '../channels/registry.ts';
import type { ChannelName } from '../core/event.ts';
import { settleMs } from '../core/reply-timing.ts';

interface Checked {
  readonly maxAge: number;
  readonly worker: { readonly replyTimeout: number };
  readonly tenants: Readonly<Record<string, Readonly<Partial<Record<ChannelName, unknown>>>>>;
}

/**
 * An attempt whose reply has an unknown outcome waits until it is settled. An event that is too old by then would
 * expire, and its reply would stay unknown.
 */
export function checkReplyTimeout({ maxAge, worker, tenants }: Checked, context: z.RefinementCtx): void {
  const path = ['worker', 'replyTimeout'];
  if (context.issues.some((issue) => issue.path?.join() === path.join())) return;
  const used = channelModules.filter(({ name }) => Object.values(tenants).some((tenant) => tenant[name] !== undefined));
  for (const { name, timing } of used as readonly ChannelModule[]) {
    const settledMs = settleMs(worker.replyTimeout, timing);
    if (settledMs < maxAge) continue;
    context.addIssue({
      code: 'custom',
      path,
      message: `is too long for SALLYPORT_MAX_AGE: a lost ${name} reply is settled after ${settledMs / 1000} s`,
    });
  }
}
