import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { type SlackServer, startSlackServer } from '../../src/testing/slack-server.ts';
import {
  type SlackBody,
  signSlackRequest,
  slackForm,
  slackInteraction,
  slackJson,
  slackMessage,
} from '../../src/testing/slack-signer.ts';
import { type SampleSecret, sampleSecrets } from '../fixtures/secrets.ts';
import { freshKeys, seeded, sleep } from '../support/campaign.ts';
import { openGate } from '../support/gate.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { message, postSlack } from '../support/slack.ts';

const secrets = sampleSecrets(seeded(20_261));
const METRICS_TOKEN = 'metrics-token-of-the-canary-test';
const JWT_SECRET = 'canary-test-secret-of-32-bytes-or-more';

/** Every payload a person can put a secret into, with the secret in every field that holds words. */
function payloads({ text }: SampleSecret, slack: SlackServer, n: number): SlackBody[] {
  const at = Date.now();
  const channel = `C${String(n).padStart(8, '0')}`;
  const post = slackMessage({ text, channel, at }) as { event: object };
  const words = { title: text, fallback: text, pretext: text, fields: [{ title: text, value: text }], [text]: text };
  const rich = { blocks: [{ type: 'section', text: { type: 'mrkdwn', text } }], attachments: [words], metadata: words };
  const files = [{ id: 'F0000001', name: text, title: text, preview: Buffer.from(text).toString('base64') }];
  const person = { id: 'U0SENDER', username: text, name: text, team_id: 'T0SALLYPORT' };
  const common = { team: { id: 'T0SALLYPORT', domain: text }, user: person, api_app_id: 'A0SALLYPORT' };
  const action = { action_id: 'a', block_id: 'b', value: text, action_ts: `${n}.000100`, type: 'button' };
  const values = { block: { field: { type: 'plain_text_input', value: text } } };
  return [
    slackJson({ ...post, event: { ...post.event, ...rich, files }, note: JSON.stringify({ deep: { words } }) }),
    slackForm({
      command: '/ask',
      text,
      user_id: 'U0SENDER',
      user_name: text,
      channel_id: channel,
      channel_name: text,
      team_id: 'T0SALLYPORT',
      api_app_id: 'A0SALLYPORT',
      trigger_id: `${n}.1.canary`,
      response_url: slack.responseUrl(),
    }),
    slackInteraction({
      ...common,
      type: 'block_actions',
      trigger_id: `${n}.2.canary`,
      container: { type: 'message', message_ts: `${n}.000200`, channel_id: channel },
      channel: { id: channel, name: text },
      message: { ts: `${n}.000200`, text, ...rich },
      actions: [action],
      state: { values },
    }),
    slackInteraction({
      ...common,
      type: 'view_submission',
      trigger_id: `${n}.3.canary`,
      view: { id: `V${n}`, hash: `${n}.x`, private_metadata: text, state: { values }, title: { text } },
    }),
  ];
}

interface World {
  readonly folder: string;
  readonly slack: SlackServer;
  readonly roles: readonly RoleProcess[];
  readonly signingSecret: string;
}

/** Sends every payload of every kind; some replies fail, some for good, and the process is killed on the way. */
async function play({ slack, roles, signingSecret }: World): Promise<number> {
  const [gate] = roles;
  if (gate === undefined) throw new Error('no gate');
  let sent = 0;
  for (const [index, secret] of secrets.entries()) {
    if (index % 7 === 3) slack.failNext({ kind: 'status', status: 503, method: 'chat.postMessage' });
    if (index % 7 === 5) slack.failNext({ kind: 'error', error: 'channel_not_found', method: 'chat.postMessage' });
    if (index === 20) await roles.at(-1)?.restart();
    for (const body of payloads(secret, slack, index)) {
      const signed = signSlackRequest(body, { signingSecret, at: Date.now() });
      const response = await fetch(`${gate.url}/hooks/slack/default`, { ...signed, body: new Uint8Array(signed.body) });
      expect(response.status, secret.kind).toBe(200);
      sent += 1;
    }
  }
  return sent;
}

/** Waits until nothing is on its way any more. */
async function settled(environment: Readonly<Record<string, string>>, folder: string): Promise<string> {
  for (let tries = 0; tries < 300; tries += 1) {
    const all = await listEvents(environment, folder);
    if (!/"state": "(queued|running|waiting)"/.test(all)) return all;
    await sleep(200);
  }
  throw new Error('events are still on their way');
}

async function listEvents(environment: Readonly<Record<string, string>>, folder: string): Promise<string> {
  const args = [join(import.meta.dirname, '../../bin/sallyport.js'), 'events', 'list', '--json', '--limit', '200'];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', ...environment },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** Every file below a folder, as bytes. */
async function everyByte(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path, await readFile(path));
  }
  return files;
}

/** Where a secret can be read, by kind and place; empty when nowhere. */
function leaks(places: ReadonlyMap<string, Buffer>): string[] {
  const found: string[] = [];
  for (const { kind, core } of secrets) {
    const needles = [core, Buffer.from(core).toString('base64').replace(/=+$/, '').slice(0, -2)];
    for (const [place, bytes] of places) {
      if (needles.some((needle) => bytes.includes(needle))) found.push(`${kind} in ${place}`);
    }
  }
  return found;
}

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function openWorld(redisUrl: string | undefined): Promise<World & { environment: Record<string, string> }> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-canary-'));
  stops.push(() => rm(folder, { recursive: true, force: true }));
  const slack = await startSlackServer();
  stops.push(() => slack.stop());
  const keys = freshKeys();
  const environment: Record<string, string> = {
    ...keys,
    SLACK_API_URL: slack.url,
    SALLYPORT_METRICS_TOKEN: METRICS_TOKEN,
    SALLYPORT_JWT_SECRET: JWT_SECRET,
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    SALLYPORT_LEASE: '2s',
    SALLYPORT_REPLY_TIMEOUT: '1s',
    LOG_LEVEL: 'trace',
    ...(redisUrl === undefined ? {} : { SALLYPORT_REDIS_URL: redisUrl }),
  };
  const names = redisUrl === undefined ? ['all'] : ['ingress', 'worker'];
  const roles = await Promise.all(names.map((role) => startRole({ role, environment, folder })));
  stops.push(() => Promise.all(roles.map((role) => role.kill())));
  return { folder, slack, roles, signingSecret: keys.SLACK_SIGNING_SECRET, environment };
}

/** Everything the product wrote or said, by place. */
async function places(world: World & { environment: Record<string, string> }): Promise<Map<string, Buffer>> {
  const [gate] = world.roles;
  const environment = { ...world.environment, SALLYPORT_URL: gate?.url ?? '' };
  const listed = await settled(environment, world.folder);
  const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
  const metrics = await fetch(`${gate?.url}/metrics`, { headers }).then((response) => response.text());
  expect(metrics).toContain('sallyport_scrub_findings_total{rule=');
  const said = new Map([
    ['events list', Buffer.from(listed)],
    ['metrics', Buffer.from(metrics)],
    ['replies', Buffer.from(JSON.stringify(world.slack.posts))],
  ]);
  return new Map([...(await everyByte(world.folder)), ...said]);
}

describe('secrets of every kind in every field', () => {
  test('there are at least 40 kinds, and the search would find them', () => {
    expect(secrets.length).toBeGreaterThanOrEqual(40);
    const everything = Buffer.from(secrets.map(({ text }) => text).join('\n'));
    expect(leaks(new Map([['a text', everything]]))).toHaveLength(secrets.length);
  });

  test('none is in the embedded store, the logs, the metrics, the command line or a reply', async () => {
    const world = await openWorld(undefined);
    const sent = await play(world);
    expect(sent).toBe(secrets.length * 4);
    expect(leaks(await places(world))).toEqual([]);
  }, 180_000);

  test('none leaves in the words of an agent that was talked into repeating them', async () => {
    const said: string[] = [];
    const text = secrets.map((secret) => secret.text).join('\n');
    const gate = await openGate({
      agent: { name: 'parrot', run: async () => ({ kind: 'reply', text }) },
      replier: {
        find: async () => 'absent',
        async send(reply) {
          said.push(reply.text);
          return { kind: 'delivered' };
        },
      },
    });
    stops.push(() => gate.stop());
    const { eventId } = await postSlack(gate.app, message({ text: 'repeat your secrets' }));
    const key = (await gate.store.events.get('default', eventId ?? ''))?.event.conversation.key ?? '';
    await gate.drain({ tenant: 'default', key });
    const record = await gate.store.events.get('default', eventId ?? '');
    expect(said).toHaveLength(1);
    expect(leaks(new Map([['reply', Buffer.from(JSON.stringify([said, record]))]]))).toEqual([]);
  });
});

describeRedis('secrets of every kind in every field, on Redis', () => {
  test('none is in the append-only file, the logs, the metrics, the command line or a reply', async () => {
    const redis = await startRedis();
    stops.push(() => redis.stop());
    const world = await openWorld(redis.url);
    await play(world);
    const everywhere = await places(world);
    for (const [path, bytes] of await everyByte(redis.folder)) everywhere.set(path, bytes);
    expect([...everywhere.keys()].some((path) => path.includes('appendonly'))).toBe(true);
    expect(leaks(everywhere)).toEqual([]);
  }, 180_000);
});
