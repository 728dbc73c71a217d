import type { Clock } from '../../core/clock.ts';
import type { KeeperReports, StoredReport } from '../../queue/records/keeper-reports.ts';
import type { App } from '../http/context.ts';
import type { Authorize } from './auth.ts';

/** `/subscriptions`: what the keeper knows of the sources of the caller's tenant, and a way to have it look now. */
export const mountSubscriptions =
  ({
    reports,
    authorize,
    clock,
  }: {
    readonly reports: KeeperReports;
    readonly authorize: Authorize;
    readonly clock: Clock;
  }) =>
  (app: App): void => {
    app.get('/subscriptions', async (c) => {
      const { tenant } = await authorize(c, 'subscriptions:read');
      return c.json(view(await reports.read(tenant)));
    });
    app.post('/subscriptions/sync', async (c) => {
      const { tenant } = await authorize(c, 'subscriptions:write');
      const at = clock();
      await reports.requestSync(tenant, at);
      return c.json({ requestedAt: new Date(at).toISOString() }, 202);
    });
  };

const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

/** `checkedAt` is the oldest look: everything in the list is at least that fresh. Null before the first. */
function view(reports: ReadonlyMap<string, StoredReport>) {
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
        ...(code === undefined ? {} : { code }),
      })),
    ),
  };
}
