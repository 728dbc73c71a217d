import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import * as z from 'zod';
import { startIngress } from '../../../src/app/ingress.node.ts';
import { loadWorker } from '../../../src/app/roles.node.ts';
import { openRuntime } from '../../../src/app/runtime.node.ts';
import type { Replier } from '../../../src/channels/channel.ts';
import type { NodeHalf, Plugs } from '../../../src/channels/module.node.ts';
import type { ChannelModule } from '../../../src/channels/module.ts';
import { plugs } from '../../../src/channels/registry.node.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/schema.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import { decodeText, parseJsonText } from '../../../src/core/json/json-text.ts';
import { freshKeys } from '../../support/campaign.ts';
import { testFolder } from '../../support/folder.ts';

/** A channel that is defined here and nowhere else: letters, proven by a word both sides know. */

const settings = z.strictObject({ word: z.string(), bodyLimit: z.number().default(1024) });
type PigeonSettings = z.output<typeof settings>;

const letter = z.object({ id: z.string(), from: z.string(), loft: z.string(), text: z.string() });

const pigeonModule: ChannelModule<PigeonSettings> = {
  name: 'pigeon',
  samples: ['pigeon'],
  settings,
  window: z.number().default(3_600_000),
  hooks: [{ label: 'Pigeon loft', path: '' }],
  receive({ word }, { tenant, windowMs, bodyLimit, identifier }) {
    const scope = ['pigeon', tenant];
    return (rest) =>
      rest.length > 0
        ? null
        : {
            name: 'pigeon',
            bodyLimit,
            outcomeHeaders: true,
            receive({ headers, body, receivedAt }) {
              if (headers.get('x-word') !== word) throw new SallyportError('ERR_SIGNATURE_MISMATCH', 'another word');
              const { id, from, loft, text } = letter.parse(parseJsonText(decodeText(body)));
              const event = {
                v: 1 as const,
                id: identifier.eventId(receivedAt),
                tenant,
                channel: 'pigeon',
                kind: 'message',
                identity: identifier.identity(scope, [id], [text]),
                windowMs,
                conversation: identifier.conversation(scope, loft),
                receivedAt,
                mentioned: true,
                author: { id: from, kind: 'user' as const },
                text,
                destination: { loft },
                payload: { text },
              };
              return { events: [{ event, capabilities: {}, routingIds: [id, from, loft] }], refused: [] };
            },
            acknowledge: () => ({ status: 202 }),
            refuse: (code) => ({ status: code === 'ERR_SIGNATURE_MISMATCH' ? 403 : 503 }),
          };
  },
};

/** The other half: what it posts goes to `posted`. */
function pigeonHalf(posted: unknown[], opened: string[]): NodeHalf<PigeonSettings> {
  const replier: Replier = {
    async send({ text }, { destination, begin }) {
      const { fence } = await begin();
      fence();
      posted.push({ ...destination, text });
      return { kind: 'delivered' };
    },
    find: async () => 'unknown',
  };
  return {
    open(_, { tenant }) {
      opened.push(tenant);
      return { replier };
    },
    checks: (_, { tenant }) => [{ name: `pigeon (${tenant})`, run: async () => 'it flies' }],
    sample: async () => ({ senders: {} }),
  };
}

async function openPigeon(posted: unknown[], opened: string[], module = pigeonModule, failures = '1200') {
  const environment = {
    ...freshKeys(),
    SALLYPORT_FAILURES_PER_MINUTE: failures,
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
  };
  const loaded = loadConfig({}, { ...environment, SALLYPORT_DATA_DIR: join(await testFolder(), 'data') }, 'all');
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const { tenants, windows } = loaded.config;
  const config = {
    ...loaded.config,
    tenants: { ...tenants, default: { ...tenants.default, pigeon: settings.parse({ word: 'coo' }) } },
    windows: { ...windows, pigeon: 3_600_000 },
  } as Config;
  const extended: Plugs = {
    modules: [...plugs.modules, module],
    halves: { ...plugs.halves, pigeon: async () => pigeonHalf(posted, opened) },
  };
  const runtime = await openRuntime(config, 'all', false, { plugs: extended });
  const startWorker = await loadWorker(runtime);
  const ingress = await startIngress(runtime);
  const worker = startWorker();
  onTestFinished(async () => {
    await Promise.all([ingress.close(1_000), worker.close(1_000)]);
    runtime.ready.stop();
    await runtime.clients.close(1_000);
    await runtime.store.close();
  });
  return { url: `http://127.0.0.1:${ingress.port}/hooks/pigeon`, runtime };
}

test('a channel is its two halves and its place in the registries: delivered, accepted once, answered', async () => {
  const posted: unknown[] = [];
  const opened: string[] = [];
  const { url, runtime } = await openPigeon(posted, opened);
  const send = (word: string, path = '') =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'x-word': word },
      body: JSON.stringify({ id: 'letter-1', from: 'noah', loft: 'ark', text: 'land?' }),
    });

  expect((await send('caw')).status).toBe(403);
  expect((await send('coo', '/nobody')).status).toBe(404);
  expect((await fetch(url)).status).toBe(405);
  const first = await send('coo');
  expect([first.status, first.headers.get('x-sallyport-outcome')]).toEqual([202, 'accepted']);
  expect((await send('coo')).headers.get('x-sallyport-outcome')).toBe('duplicate');

  await vi.waitFor(() => expect(posted).toEqual([{ loft: 'ark', text: 'echo: land?' }]), { timeout: 15_000 });
  expect(opened).toEqual(['default']);
  const { events } = await runtime.store.events.list('default', { channel: 'pigeon', limit: 10 });
  expect(events.map(({ event }) => event.channel)).toEqual(['pigeon']);
});

test('failed proofs over the rate get 429 also from a channel whose failures are answered as the API answers them', async () => {
  const module: ChannelModule<PigeonSettings> = {
    ...pigeonModule,
    receive(given, deps) {
      const find = pigeonModule.receive(given, deps);
      return (rest) => {
        const channel = find(rest);
        if (channel === null) return null;
        const { refuse: _, ...bare } = channel;
        return bare;
      };
    },
  };
  const { url } = await openPigeon([], [], module, '2');
  const send = () => fetch(url, { method: 'POST', headers: { 'x-word': 'caw' }, body: '{}' });
  const answers = [await send(), await send(), await send()];
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 429]);
  expect(await answers[2]?.json()).toMatchObject({ code: 'ERR_RATE_LIMITED' });
});
