import { DurableObject, type DurableObjectState, type DurableObjectStorage } from 'cloudflare:workers';
import type { Clock } from '../../core/clock.ts';
import { webCrypto } from '../../core/crypto/crypto.web.ts';
import type { Logger } from '../../core/logger.ts';
import { createRelayKeys, MAX_RELAY_BODY_BYTES } from '../../core/relay.ts';
import { exchangeWeb } from '../../net/web-fetch.ts';
import type { Entry, ParkedRow } from '../../queue/edge/outbox.ts';
import { createShard, type Shard, type ShardStatus } from '../../queue/edge/shard.ts';
import type { Judged } from '../../queue/edge/shard-store.ts';
import type { Sql, SqlValue } from '../../queue/edge/sql.ts';

/** What an object takes from the configuration. */
export interface ShardSettings {
  readonly relayUrl: string;
  readonly relayKeys: readonly Uint8Array[];
  readonly logger: Logger;
}

/** What the Worker can call. */
export type ShardMethods = Pick<Shard, 'accept' | 'status' | 'listParked' | 'resend' | 'drop'>;

/** How soon an object whose configuration is wrong looks again, in ms: a deployment starts it anew anyway. */
const RECHECK_MS = 60_000;

/** One shard: marks and outbox in the object's SQLite, forwarding by its alarm. `open` gives null while the configuration is wrong. */
export function shardClass(
  open: (bindings: object) => ShardSettings | null,
  clock: Clock,
): new (
  state: never,
  bindings: never,
) => ShardMethods {
  return class EdgeShard extends DurableObject implements ShardMethods {
    shard: Shard | undefined;
    logger: Logger | undefined;
    /** For the log. The runtime knows it only of an object that a call has started, not of one that its alarm has. */
    name: string | undefined;
    parked = 0;

    constructor(context: DurableObjectState, bindings: object) {
      super(context, bindings);
      void context.blockConcurrencyWhile(async () => {
        const settings = open(bindings);
        // The Worker answers 503 and logs what is wrong; what waits here waits on.
        if (settings === null) return;
        const { relayUrl, relayKeys, logger } = settings;
        const { storage } = context;
        const report = (error: unknown): void => logger.error({ shard: this.name, error }, 'shard.failed');
        this.logger = logger;
        this.shard = createShard({
          sql: sqlOf(storage),
          clock,
          crypto: webCrypto,
          random: Math.random,
          keys: createRelayKeys(relayKeys, webCrypto),
          post: (request) => exchangeWeb(relayUrl, { ...request, method: 'POST', maxBytes: MAX_RELAY_BODY_BYTES }),
          // Not waited for: it is in the same commit as the rows that were written before it, and holds back the answer.
          setAlarm: (at) => void storage.setAlarm(at).catch(report),
          alarmAt: await storage.getAlarm(),
          report,
        });
        const { shard, parked } = this.shard.status();
        this.name = shard ?? context.id.name;
        this.parked = parked.events;
      });
    }

    /** Durable when the caller gets the answer: the runtime holds it back until the commit. */
    accept(tenant: string, shard: string, entries: readonly Entry[]): Judged[] {
      try {
        return opened(this.shard).accept(tenant, shard, entries);
      } catch (error) {
        this.logger?.error({ shard, error }, 'shard.failed');
        // Nothing that was written since the last commit is kept, nor what the object remembers of it.
        this.ctx.abort('accept failed');
        throw error;
      }
    }

    override async alarm(): Promise<void> {
      // An alarm that fails six times is dropped, and nothing would be forwarded any more.
      if (this.shard === undefined) return this.ctx.storage.setAlarm(Date.now() + RECHECK_MS);
      await this.shard.alarm();
      try {
        this.tellParked(this.shard);
      } catch (error) {
        this.logger?.error({ shard: this.name, error }, 'shard.failed');
      }
    }

    private tellParked(shard: Shard): void {
      const { parked } = shard.status();
      if (parked.events > this.parked) {
        const latest = shard.listParked(parked.events).at(-1);
        this.logger?.warn({ shard: this.name, parked: parked.events, reason: latest?.reason }, 'shard.parked');
      }
      this.parked = parked.events;
    }

    status(): ShardStatus {
      return opened(this.shard).status();
    }

    listParked(limit: number): readonly ParkedRow[] {
      return opened(this.shard).listParked(limit);
    }

    resend(eventId: string): boolean {
      return opened(this.shard).resend(eventId);
    }

    drop(eventId: string): boolean {
      return opened(this.shard).drop(eventId);
    }
  };
}

function opened(shard: Shard | undefined): Shard {
  if (shard === undefined) throw new Error('the configuration is wrong');
  return shard;
}

const sqlOf = (storage: DurableObjectStorage): Sql => ({
  all: <Row>(query: string, ...values: readonly SqlValue[]) => storage.sql.exec(query, ...values).toArray() as Row[],
  run: (query, ...values) => void storage.sql.exec(query, ...values),
  transaction: (work) => storage.transactionSync(work),
  databaseBytes: () => storage.sql.databaseSize,
});
