import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { sha256 } from '../../src/core/crypto/sha256.node.ts';
import { canonicalJson } from '../../src/core/json/canonical-json.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import type { LlmAnswer } from '../../src/testing/agents/llm-server.ts';
import { createFolders } from '../../src/workers/tools/workspace/folders.ts';
import { createWorkspace } from '../../src/workers/tools/workspace/workspace.ts';
import { openAssistant } from '../support/assistant.ts';
import { wholeChain } from '../support/audit.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { createTestStores } from '../support/redis-store.ts';
import { SECRET } from '../support/tool-run.ts';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const ask = (name: string, args: object): LlmAnswer => ({ calls: [{ name, arguments: args }] });

/** A run that writes a file, runs a program on it, tries to run the file, and answers. */
async function expectCallsOf(store: Store): Promise<void> {
  const workspace = createWorkspace({
    folders: createFolders(join(await testFolder(), 'runs')),
    maxBytes: 10_000,
    maxFiles: 10,
    programs: { wc: { path: '/usr/bin/wc', options: [] }, find: { path: '/usr/bin/find', options: [] } },
    programTimeoutMs: 5_000,
  });
  let writes = 0;
  const append: Store['audit']['append'] = (...args) => {
    writes += 1;
    return store.audit.append(...args);
  };
  const world = await openAssistant({
    tools: workspace,
    gate: { store: { ...store, audit: { ...store.audit, append } } },
  });
  stops.push(() => world.stop());
  const written = { path: 'notes.txt', text: 'private words' };
  const counted = { program: 'wc', arguments: ['notes.txt', SECRET] };
  world.llm.script(
    ask('workspace_write', written),
    ask('workspace_run', counted),
    ask('workspace_run', { program: 'find', arguments: ['.', '-exec', 'sh', 'notes.txt', ';'] }),
    { text: 'bye' },
  );
  const { event } = await world.write('count');
  const entries = (await wholeChain(store)).filter(({ action }) => action !== 'secret.leak_blocked');
  expect(entries.map(({ action, data }) => [action, data.tool, data.outcome ?? data.code, data.arguments])).toEqual([
    ['tool.called', 'workspace_write', 'done', undefined],
    ['tool.called', 'workspace_run', 'done', { program: 'wc' }],
    ['tool.refused', 'workspace_run', 'refused', { program: 'find' }],
    ['run.finished', undefined, 'replied', undefined],
  ]);
  expect(entries[0]).toMatchObject({
    ...{ actor: 'agent:assistant', subject: event.id },
    data: { generation: 1, attempt: 1, step: 'tool:1.0', argumentsSha256: sha256(canonicalJson(written)) },
  });
  // The digest is of what was kept of the arguments: their secrets were taken out before.
  expect(entries[1]?.data.argumentsSha256).toMatch(/^[0-9a-f]{64}$/);
  expect(entries[1]?.data.argumentsSha256).not.toBe(sha256(canonicalJson(counted)));
  expect(JSON.stringify(entries)).not.toMatch(/private|notes\.txt|exec/);
  // However many calls a run makes, the store is asked once.
  expect(writes).toBe(1);
}

describe('the calls a run made are in the audit', () => {
  test.skipIf(process.platform !== 'linux')('on the embedded store', async () => {
    const path = `${await testFolder()}/store.db`;
    const store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'test', logger: silentLogger });
    await expectCallsOf(store);
  });
});

describeRedis('the calls a run made are in the audit', () => {
  test.skipIf(process.platform !== 'linux')('on Redis', async () => {
    const redis = await startRedis();
    stops.push(() => redis.stop());
    const stores = createTestStores();
    const store = await stores.open(redis.url);
    await expectCallsOf(store);
    await stores.close();
  });
});
