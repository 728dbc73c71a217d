import type { Crypto } from '../../core/crypto/crypto.ts';
import { codeOf, reasonOf, SallyportError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { type RelayKeys, readRelayHead, verifyEdgeRequest } from '../../core/relay.ts';
import type { ParkedRow } from '../../queue/edge/outbox.ts';
import type { ShardStatus } from '../../queue/edge/shard.ts';
import { type BodyLimits, readBodyStream } from '../../server/http/body.ts';
import type { App, AppContext } from '../../server/http/context.ts';
import { problem, toResponse } from '../../server/http/respond.ts';
import type { SourceLimiter } from '../../server/limits/sources.ts';

/** A shard as operators see it. Null where it did not answer in time. */
export interface ShardControl {
  readonly status: () => Promise<ShardStatus | null>;
  readonly listParked: (limit: number) => Promise<readonly ParkedRow[] | null>;
  /** False when the event is not parked there. */
  readonly resend: (eventId: string) => Promise<boolean | null>;
  /** False when the event is not parked there. */
  readonly drop: (eventId: string) => Promise<boolean | null>;
}

export interface OutboxDeps {
  readonly keys: RelayKeys;
  /** Every shard of every tenant, by its name `{tenant}/{n}`. */
  readonly shards: ReadonlyMap<string, ShardControl>;
  readonly failures: SourceLimiter;
  readonly sourceOf: (c: AppContext) => string;
  readonly newRequestId: () => string;
  readonly bodyTimeoutMs: number;
  readonly crypto: Crypto;
  readonly clock: () => number;
  readonly logger: Logger;
}

/** Parked rows that are listed of one shard, the earliest first; each shard says how many it has. */
const MAX_LISTED = 100;

/** Of an operator's request, which has none. */
const BODY_BYTES = 1024;

/**
 * The operator's view of what waits and what is parked, and what to do with the latter. Each request is signed with a relay
 * key; nothing of an event's content is told. Both changes do nothing new when they are repeated.
 */
export function mountOutbox(app: App, deps: OutboxDeps): void {
  app.get('/outbox', (c) => proven(c, deps, async () => c.json(await describe(deps))));
  app.post('/outbox/:event{ev_\\w{1,64}}/:verb{resend|drop}', (c) =>
    proven(c, deps, async (key) => {
      const { event = '', verb } = c.req.param();
      const action = verb === 'resend' ? 'resend' : 'drop';
      const shard = await change(event, action, deps);
      const line = { key, eventId: event, shard, source: deps.sourceOf(c) };
      if (action === 'resend') deps.logger.info(line, 'outbox.resent');
      else deps.logger.info(line, 'outbox.dropped');
      return c.json({ event, shard, outcome: action === 'resend' ? 'resent' : 'dropped' });
    }),
  );
}

/** Answers a request whose signature is good. All others are answered alike. */
async function proven(c: AppContext, deps: OutboxDeps, answer: (key: string) => Promise<Response>): Promise<Response> {
  const { keys, crypto, clock, failures, sourceOf, newRequestId, logger } = deps;
  const requestId = newRequestId();
  const { method, url } = c.req;
  const { pathname, search } = new URL(url);
  const limits: BodyLimits = { maxBytes: BODY_BYTES, timeoutMs: deps.bodyTimeoutMs };
  let key: string;
  try {
    const head = readRelayHead(c.req.raw.headers, clock());
    const body = await readBodyStream(c.req.raw, limits);
    key = verifyEdgeRequest(head, { method, path: pathname + search }, body, keys, crypto);
  } catch (error) {
    const code = codeOf(error);
    const source = sourceOf(c);
    const { isOver, isFirst } = failures.count(source, { tenant: '', channel: 'outbox', reason: reasonOf(code) });
    if (isFirst) logger.warn({ requestId, code, source }, 'outbox.refused');
    return isOver
      ? problem(new SallyportError('ERR_RATE_LIMITED', ''), requestId)
      : toResponse({ status: 401 }, requestId);
  }
  try {
    return await answer(key);
  } catch (error) {
    return problem(error, requestId);
  }
}

async function describe({ keys, shards }: OutboxDeps): Promise<object> {
  const found = await Promise.all(
    [...shards].map(async ([shard, control]) => {
      const status = await control.status();
      const rows = status === null || status.parked.events === 0 ? [] : ((await control.listParked(MAX_LISTED)) ?? []);
      return { shard, tenant: tenantOf(shard), status, rows };
    }),
  );
  return {
    keys: keys.map(({ id }) => id),
    shards: found.map(({ shard, tenant, status }) =>
      status === null
        ? { tenant, shard, answered: false }
        : {
            ...{ tenant, shard, answered: true, waiting: status.waiting, parked: status.parked },
            oldestAt: timeOf(status.oldestAt),
            blocked: status.blocked === null ? null : { ...status.blocked, since: timeOf(status.blocked.since) },
          },
    ),
    parked: found.flatMap(({ shard, tenant, rows }) =>
      rows.map(({ id, reason, bytes, acceptedAt, parkedAt }) => ({
        ...{ tenant, shard, event: id, reason, bytes },
        ...{ acceptedAt: timeOf(acceptedAt), parkedAt: timeOf(parkedAt) },
      })),
    ),
  };
}

/**
 * The shard that had the event. An id does not say which one it is.
 * @throws SallyportError ERR_NOT_FOUND, or ERR_STORE_UNAVAILABLE where a shard that may have it did not answer
 */
async function change(event: string, action: 'resend' | 'drop', { shards }: OutboxDeps): Promise<string> {
  const names = [...shards.keys()];
  const answers = await Promise.all([...shards.values()].map((control) => control[action](event)));
  const shard = names[answers.indexOf(true)];
  if (shard !== undefined) return shard;
  if (answers.includes(null)) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'a shard did not answer');
  throw new SallyportError('ERR_NOT_FOUND', 'no event of this id is parked');
}

const tenantOf = (shard: string): string => shard.slice(0, shard.indexOf('/'));

const timeOf = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
