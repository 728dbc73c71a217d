import * as z from 'zod';
import { setting } from '../../core/setting.ts';
import { integer, rate } from '../../core/setting-values.ts';

/** How much callers and senders get. */
export const limitsSchema = z
  .strictObject({
    apiRate: setting(rate.prefault('3000/1m'), {
      env: 'SALLYPORT_API_RATE',
      description: 'requests of one subject, over all processes; more get 429',
    }),
    channelRate: setting(rate.prefault('60000/1m'), {
      env: 'SALLYPORT_CHANNEL_RATE',
      description:
        'authentic events of one tenant over one channel: a bucket of so many that fills evenly; more get 503 with `Retry-After`. Slack sends 30,000 an hour and workspace at most',
    }),
    apiFailures: setting(rate.prefault('5/15m'), {
      env: 'SALLYPORT_API_FAILURES',
      description:
        'refused tokens of one source (API and `/metrics`) before it gets 429 for 15 minutes, then twice as long each time, up to a day; each day without a lockout takes one doubling back',
    }),
    connections: setting(integer(16, 1_000_000).default(4096), {
      env: 'SALLYPORT_MAX_CONNECTIONS',
      description: 'open connections of a process; one that is idle makes room for a new one',
    }),
    sourceConnections: setting(integer(1, 1_000_000).default(512), {
      env: 'SALLYPORT_MAX_SOURCE_CONNECTIONS',
      description: 'the same of one address (of an IPv6 /64) that is no proxy',
    }),
  })
  .prefault({});
