import { join } from 'node:path';
import { Hono } from 'hono';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { RELAY_PATH } from '../../src/core/relay.ts';
import type { RelayRequest, RelayResponse } from '../../src/queue/edge/forward.ts';
import { createEdgeInbox } from '../../src/queue/edge/inbox.ts';
import { createShard, type Shard } from '../../src/queue/edge/shard.ts';
import { defaultShardLimits } from '../../src/queue/edge/shard-store.ts';
import type { Inbox } from '../../src/queue/inbox.ts';
import { createRelayAttempts } from '../../src/queue/records/relay-attempts.ts';
import type { Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { readBodyStream } from '../../src/server/http/body.ts';
import { mountRelay } from '../../src/server/relay/relay.ts';
import { relayKeys } from './edge-origin.ts';
import { openSqlFile, type SqlFile } from './edge-sql.ts';
import { testSources } from './test-sources.ts';

const KEY = new Uint8Array(32).fill(7);

/** The shards of an edge, in a folder of their own. */
export interface EdgeFront {
  /** The edge's inbox. What it accepts has been forwarded once, as far as the origin takes it, when it answers. */
  readonly inbox: Inbox;
  /** Errors that a shard could tell nobody else. */
  readonly errors: readonly unknown[];
  close(): void;
}

/** The edge in front of a store that takes batches at the real route. */
export function openEdgeFront(store: Store, folder: string, clock: () => number): EdgeFront {
  const app = new Hono();
  mountRelay({
    keys: relayKeys,
    crypto: nodeCrypto,
    attempts: createRelayAttempts(store.records),
    tenants: ['acme', 'globex'],
    isConfigured: () => true,
    inbox: store.inbox,
    scrub: createScrubber({ crypto: nodeCrypto, key: KEY }),
    meter: silentMeter,
    headersOf: (c) => c.req.raw.headers,
    readBody: (c, limits) => readBodyStream(c.req.raw, limits),
    bodyTimeoutMs: 10_000,
    sourceOf: () => '203.0.113.9',
    failures: testSources(1_200),
    tally: () => {},
    isDraining: () => false,
    newRequestId: () => 'request-1',
    clock,
    logger: silentLogger,
  })(app);
  const post = async ({ headers, body }: RelayRequest): Promise<RelayResponse> => {
    const url = `https://origin.example${RELAY_PATH}`;
    const response = await app.request(new Request(url, { method: 'POST', headers, body: Buffer.from(body) }));
    return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) };
  };

  const shards = new Map<string, { readonly shard: Shard; readonly sql: SqlFile }>();
  const errors: unknown[] = [];
  let isClosed = false;
  const open = (name: string) => {
    const sql = openSqlFile(join(folder, `${name.replace('/', '-')}.db`));
    const shard = createShard({
      sql,
      clock,
      crypto: nodeCrypto,
      keys: relayKeys,
      random: Math.random,
      post,
      setAlarm: () => {},
      alarmAt: null,
      report: (error) => errors.push(error),
      limits: defaultShardLimits,
    });
    const opened = { shard, sql };
    shards.set(name, opened);
    return opened;
  };
  const inbox = createEdgeInbox({
    identifier: createIdentifier(nodeCrypto, KEY),
    shards: 4,
    containerOf: ({ conversation }) => conversation.name,
    shardOf: (name) => ({
      async accept(tenant, shard, entries) {
        if (isClosed) throw new Error('the object is gone');
        return (shards.get(name) ?? open(name)).shard.accept(tenant, shard, entries);
      },
    }),
  });
  return {
    inbox: {
      async accept(events) {
        const answers = await inbox.accept(events);
        await Promise.all([...shards.values()].map(({ shard }) => shard.alarm()));
        return answers;
      },
    },
    errors,
    close() {
      isClosed = true;
      for (const { sql } of shards.values()) sql.close();
      shards.clear();
    },
  };
}
