import type { ReplyContext, SendContext } from '../../src/channels/channel.ts';

/** A context whose call may begin at once and is limited by nothing but the context's own signal, or `timeoutMs`. */
export const sendable = (context: ReplyContext, timeoutMs?: number): SendContext => ({
  ...context,
  async begin() {
    const limit = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
    return { signal: AbortSignal.any([context.signal, ...limit]), fence() {} };
  },
});
