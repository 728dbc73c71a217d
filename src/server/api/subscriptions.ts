import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import type { KeeperReports, StoredReport } from '../../queue/records/keeper-reports.ts';
import type { App } from '../http/context.ts';
import { type Endpoint, json } from './endpoint.ts';
import { errorCode, instant } from './shapes.ts';

const subscriptionsShape = z.object({
  checkedAt: instant.nullable().describe('everything in the list is at least that fresh; null before the first look'),
  subscriptions: z.array(
    z.object({
      channel: z.string(),
      name: z.string(),
      state: z.enum(['active', 'failing', 'lapsed']),
      expiresAt: instant.nullable(),
      lastEventAt: instant.nullable(),
      code: errorCode.optional(),
    }),
  ),
});

/** `/subscriptions`: what the keeper knows of the sources of the caller's tenant, and a way to have it look now. */
export const mountSubscriptions =
  ({
    reports,
    endpoint,
    clock,
  }: {
    readonly reports: KeeperReports;
    readonly endpoint: Endpoint;
    readonly clock: Clock;
  }) =>
  (app: App): void => {
    const list = {
      id: 'listSubscriptions',
      summary: 'List subscriptions and watches at vendors',
      scope: 'subscriptions:read',
      answers: { 200: { description: 'what the keeper found at its last look', body: subscriptionsShape } },
    } as const;
    app.get(
      '/subscriptions',
      endpoint(list, async ({ caller }) => json(200, view(await reports.read(caller.tenant)))),
    );
    const sync = {
      id: 'syncSubscriptions',
      summary: 'Have the keeper look at once',
      scope: 'subscriptions:write',
      answers: { 202: { description: 'asked for', body: z.object({ requestedAt: instant }) } },
    } as const;
    app.post(
      '/subscriptions/sync',
      endpoint(sync, async ({ caller }) => {
        const at = clock();
        await reports.requestSync(caller.tenant, at);
        return json(202, { requestedAt: new Date(at).toISOString() });
      }),
    );
  };

const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

function view(reports: ReadonlyMap<string, StoredReport>): z.input<typeof subscriptionsShape> {
  const looks = [...reports.values()];
  return {
    checkedAt: iso(looks.length === 0 ? null : Math.min(...looks.map(({ at }) => at))),
    subscriptions: looks.flatMap(({ channel, sources }) =>
      sources.map(({ name, state, expiresAt, lastEventAt, code }) => ({
        channel,
        name,
        state,
        expiresAt: iso(expiresAt),
        lastEventAt: iso(lastEventAt),
        ...defined({ code }),
      })),
    ),
  };
}
