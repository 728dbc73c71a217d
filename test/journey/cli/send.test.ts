import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { freshKeys } from '../../support/campaign.ts';
import { type Finished, sallyport } from '../../support/command.ts';
import { freePort } from '../../support/free-port.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';

let folder: string;
let gate: RoleProcess;
const { SLACK_BOT_TOKEN: _, ...keys } = freshKeys();
const environment = { ...keys, SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-send-'));
  gate = await startRole({ role: 'all', folder, environment: { ...environment, LOG_LEVEL: 'silent' } });
});
afterAll(async () => {
  await gate?.kill();
  await rm(folder, { recursive: true, force: true });
});

const send = (args: readonly string[], url = gate.url): Promise<Finished> =>
  sallyport(['send', 'slack', '--url', url, ...args], { folder, environment });

/** A gate that gives everybody the same answer. */
async function startWrongGate(status: number, outcome?: string): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status, outcome === undefined ? {} : { 'x-sallyport-outcome': outcome }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const EVENT_ID = 'ev_[0-9A-Z]{26}';

test.each([
  ['stale', /^401\n$/],
  ['future', /^401\n$/],
  ['wrong-key', /^401\n$/],
  ['altered', /^401\n$/],
  ['replay', new RegExp(`^200 accepted (${EVENT_ID})\\n200 duplicate \\1\\n$`)],
  ['duplicate', new RegExp(`^200 accepted (${EVENT_ID})\\n200 duplicate \\1\\n$`)],
  ['reorder', new RegExp(`^(200 accepted ${EVENT_ID}\\n){2}$`)],
])('--tamper %s succeeds against this gate', async (mode, printed) => {
  const { code, out, err } = await send(['--tamper', mode]);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(printed);
});

test.each([
  ['an ordinary message', [], { takes: 0, accepts: 0, refuses: 1 }],
  ['--tamper stale', ['--tamper', 'stale'], { takes: 1, accepts: 1, refuses: 0 }],
  ['--tamper future', ['--tamper', 'future'], { takes: 1, accepts: 1, refuses: 0 }],
  ['--tamper wrong-key', ['--tamper', 'wrong-key'], { takes: 1, accepts: 1, refuses: 0 }],
  ['--tamper altered', ['--tamper', 'altered'], { takes: 1, accepts: 1, refuses: 0 }],
  // Without outcome headers a second 200 is all there is to see of a duplicate.
  ['--tamper replay', ['--tamper', 'replay'], { takes: 0, accepts: 1, refuses: 1 }],
  ['--tamper duplicate', ['--tamper', 'duplicate'], { takes: 0, accepts: 1, refuses: 1 }],
  ['--tamper reorder', ['--tamper', 'reorder'], { takes: 0, accepts: 0, refuses: 1 }],
] as const)('a gate that answers everybody alike is found out by %s', async (_, args, expected) => {
  const [takes, accepts, refuses] = await Promise.all([
    startWrongGate(200),
    startWrongGate(200, 'accepted'),
    startWrongGate(401),
  ]);
  const exits = await Promise.all([takes, accepts, refuses].map(async (url) => (await send(args, url)).code));
  expect(exits).toEqual([expected.takes, expected.accepts, expected.refuses]);
});

const commandPayload = {
  command: '/ask',
  text: 'by command',
  user_id: 'U0SENDER',
  channel_id: 'C0SALLYPORT',
  team_id: 'T0SALLYPORT',
  api_app_id: 'A0SALLYPORT',
  trigger_id: '13345224609.738474920.8088930838d88f008e0',
};
const pressed = {
  type: 'block_actions',
  api_app_id: 'A0SALLYPORT',
  team: { id: 'T0SALLYPORT' },
  user: { id: 'U0SENDER' },
  container: { type: 'message', message_ts: '1700000000.000100', channel_id: 'C0SALLYPORT' },
  channel: { id: 'C0SALLYPORT' },
  trigger_id: '12466734323.1395872398',
  actions: [{ type: 'button', action_id: 'go', value: 'pressed', action_ts: '1700000001.000000' }],
};
const eventOf = (event: object) => ({
  type: 'event_callback',
  team_id: 'T0SALLYPORT',
  api_app_id: 'A0SALLYPORT',
  event_id: 'Ev0FROMFILE',
  event,
});
const written = {
  type: 'message',
  channel_type: 'im',
  channel: 'D0FILE',
  user: 'U0SENDER',
  ts: '1700000000.000200',
  text: 'by event',
};

test.each([
  ['an event', eventOf(written), 'accepted', 'duplicate', 'echo: by event'],
  ['a command', commandPayload, 'accepted', 'duplicate', 'echo: by command'],
  ['a pressed button', pressed, 'accepted', 'duplicate', 'echo: '],
  ['an irrelevant event', eventOf({ type: 'reaction_added', user: 'U0SENDER' }), 'ignored', 'ignored', undefined],
  ['a handshake', { type: 'url_verification', challenge: 'abc' }, 'handshake', 'handshake', undefined],
] as const)(
  '--file sends %s, signed, and a gate that has seen it before is correct too',
  async (_, payload, first, again, reply) => {
    const name = 'payload.json';
    await writeFile(join(folder, name), JSON.stringify(payload));
    const sent = await send(['--file', name, ...(reply === undefined ? [] : ['--wait'])]);
    expect([sent.code, sent.err]).toEqual([0, '']);
    expect(sent.out).toMatch(new RegExp(`^200 ${first}`));
    if (reply !== undefined) expect(sent.out).toContain(reply);
    const resent = await send(['--file', name]);
    expect([resent.code, resent.out]).toEqual([0, expect.stringMatching(new RegExp(`^200 ${again}`))]);
    const replayed = await send(['--file', name, '--tamper', 'replay']);
    expect([replayed.code, replayed.out]).toEqual([0, expect.stringMatching(new RegExp(`^(200 ${again}.*\n){2}$`))]);
    expect((await send(['--file', name, '--tamper', 'altered'])).code).toBe(0);
  },
);

test.each([
  ['text', 'not JSON', '--file: cannot be read as JSON'],
  ['a bare value', '42', '--file: must hold a JSON object'],
])('--file with %s is bad usage', async (_, text, message) => {
  await writeFile(join(folder, 'bad.json'), text);
  expect(await send(['--file', 'bad.json'])).toEqual({ code: 2, out: '', err: `${message}\n` });
});

test('--times and --concurrency send that many different messages', async () => {
  const { code, out } = await send(['--times', '40', '--concurrency', '8']);
  expect(code).toBe(0);
  const lines = out.trim().split('\n');
  expect(lines).toHaveLength(40);
  expect(new Set(lines).size).toBe(40);
  expect(lines.filter((line) => !new RegExp(`^200 accepted ${EVENT_ID}$`).test(line))).toEqual([]);
});

test('one wrong answer of many is counted and fails', async () => {
  const url = await startWrongGate(401);
  const { code, err } = await send(['--times', '3', '--concurrency', '2'], url);
  expect(code).toBe(1);
  expect(err).toContain('3 of 3');
});

test('--wait prints the reply, and says so when the gate names no event', async () => {
  const { code, out } = await send(['--text', 'how are you?', '--wait']);
  expect([code, out]).toEqual([0, expect.stringContaining('\necho: how are you?\n')]);
  const silent = await send(['--wait'], await startWrongGate(200));
  expect([silent.code, silent.err]).toEqual([
    0,
    expect.stringMatching(/^nothing to wait for: .*SALLYPORT_OUTCOME_HEADERS/),
  ]);
});

test('--url may name the whole hook, and --tenant another one', async () => {
  expect((await send([], `${gate.url}/hooks/slack`)).code).toBe(0);
  const other = await send(['--tenant', 'nobody']);
  expect([other.code, other.out]).toEqual([1, '404\n']);
});

test('a gate that is not there is named', async () => {
  const origin = `http://127.0.0.1:${await freePort()}`;
  expect(await send([], origin)).toEqual({ code: 1, out: '', err: `nothing answers at ${origin}\n` });
});

test('without a secret nothing is sent, and the message names the setting', async () => {
  const { code, err } = await sallyport(['send', 'slack', '--url', gate.url], { folder: tmpdir() });
  expect([code, err]).toEqual([78, expect.stringMatching(/^SLACK_SIGNING_SECRET: .*\n$/)]);
});

const sendChat = (args: readonly string[]): Promise<Finished> =>
  sallyport(['send', 'chat', '--url', gate.url, ...args], { folder, environment });

test.each([
  ['stale', /^401\n$/],
  ['future', /^401\n$/],
  ['wrong-key', /^401\n$/],
  ['altered', /^401\n$/],
  ['replay', new RegExp(`^202 accepted (${EVENT_ID})\\n202 duplicate \\1\\n$`)],
  ['duplicate', new RegExp(`^202 accepted (${EVENT_ID})\\n202 duplicate \\1\\n$`)],
  ['reorder', new RegExp(`^(202 accepted ${EVENT_ID}\\n){2}$`)],
])('chat: --tamper %s succeeds against this gate', async (mode, printed) => {
  const { code, out, err } = await sendChat(['--tamper', mode]);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(printed);
});

test('chat: --thread names the conversation, --times sends that many messages and --wait prints each reply', async () => {
  const { code, out, err } = await sendChat(['--text', 'hello', '--thread', 'trip', '--times', '2', '--wait']);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/\necho: hello\n.*\necho: hello \(2\)\n$/);
  const listed = await sallyport(['events', 'list', '--json'], {
    folder,
    environment: { ...environment, SALLYPORT_URL: gate.url },
  });
  expect(listed.out.split('"operator:trip"').length - 1).toBe(2);
});

const stored = async (id: string): Promise<Record<string, unknown>> => {
  const at = { folder, environment: { ...environment, SALLYPORT_URL: gate.url } };
  return JSON.parse((await sallyport(['events', 'show', id, '--json'], at)).out) as Record<string, unknown>;
};

const sentId = (out: string): string => new RegExp(EVENT_ID).exec(out)?.[0] ?? '';

test.each([
  [['--mention'], { kind: 'message', conversation: /C0SALLYPORT/, mentioned: true }],
  [['--mention', '--channel', 'C0TEAM'], { kind: 'message', conversation: /C0TEAM/, mentioned: true }],
  [['--channel', 'C0TEAM', '--thread', '1700000000.000300'], { kind: 'message', conversation: /1700000000\.000300/ }],
  [['--user', 'U0OTHER', '--channel', 'D0OTHER'], { kind: 'message', conversation: /D0OTHER/ }],
  [['--command', '/ask', '--user', 'U0OTHER'], { kind: 'command' }],
  [['--command', 'ask', '--times', '2'], { kind: 'command' }],
  [['--button', 'approve', '--channel', 'C0TEAM'], { kind: 'action' }],
])('slack: %j chooses what is sent', async (args, expected) => {
  const { code, out, err } = await send([...args]);
  expect([code, err]).toEqual([0, '']);
  const found = await stored(sentId(out));
  const { conversation = /./, ...others } = expected as { readonly conversation?: RegExp };
  expect(found).toMatchObject(others);
  expect(found.conversation).toMatch(conversation);
});

test('only one kind of delivery can be sent at once, and a channel without a choice does not take it', async () => {
  const both = await send(['--command', '/x', '--button', 'b']);
  expect([both.code, both.err]).toEqual([2, '--file, --command, --button: only one of them can be sent\n']);
  const chat = await sendChat(['--button', 'b']);
  expect([chat.code, chat.err]).toEqual([2, expect.stringContaining("unknown option '--button'")]);
});

test('what is ignored is shown with its reason', async () => {
  await writeFile(join(folder, 'reaction.json'), JSON.stringify(eventOf({ type: 'reaction_added', user: 'U0SENDER' })));
  expect((await send(['--file', 'reaction.json'])).out).toMatch(/^200 ignored [a-z_]+\n$/);
});

test('send slack works against any other Slack app', async () => {
  const { createHmac } = await import('node:crypto');
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { 'x-slack-request-timestamp': at, 'x-slack-signature': given } = request.headers;
      const base = `v0:${at}:${Buffer.concat(chunks).toString('utf8')}`;
      const isGood = given === `v0=${createHmac('sha256', 'the-secret-of-the-other-app').update(base).digest('hex')}`;
      response.writeHead(isGood && request.url === '/slack/events' ? 200 : 401).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`;
  const at = { folder: tmpdir(), environment: { SLACK_SIGNING_SECRET: 'the-secret-of-the-other-app' } };
  expect(await sallyport(['send', 'slack', '--url', url], at)).toEqual({ code: 0, out: '200\n', err: '' });
  expect((await sallyport(['send', 'slack', '--url', url, '--tamper', 'wrong-key'], at)).code).toBe(0);
  // It looks at no time.
  const late = await sallyport(['send', 'slack', '--url', url, '--tamper', 'stale'], at);
  expect([late.code, late.err]).toEqual([1, `expected: refused\n1 of 1: ${url} did not do what a correct gate does\n`]);
});

test('every channel is sent to with the settings of the tenant in the configuration file', async () => {
  const own = await mkdtemp(join(tmpdir(), 'sallyport-send-tenants-'));
  onTestFinished(() => rm(own, { recursive: true, force: true }));
  const secret = Buffer.alloc(32, 5).toString('base64');
  const graph = { tenantId: '11111111-2222-4333-8444-555555555555', clientStates: ['a-client-state-of-the-file'] };
  const acme = {
    slack: { signingSecrets: ['the-signing-secret-of-acme'] },
    teams: { outgoingSecrets: [secret] },
    graph,
  };
  await writeFile(join(own, 'sallyport.config.json'), JSON.stringify({ tenants: { acme } }));
  const { SLACK_SIGNING_SECRET: _, ...settings } = environment;
  const role = await startRole({
    role: 'ingress',
    folder: own,
    environment: { ...settings, SALLYPORT_OUTCOME_HEADERS: '1', LOG_LEVEL: 'silent' },
  });
  onTestFinished(() => role.kill());
  for (const [kind, status] of [
    ['slack', 200],
    ['graph', 202],
  ] as const) {
    const sent = await sallyport(['send', kind, '--tenant', 'acme', '--url', role.url], {
      folder: own,
      environment: settings,
    });
    expect([kind, sent.code, sent.out]).toEqual([kind, 0, expect.stringMatching(new RegExp(`^${status} accepted`))]);
  }
  // Without a worker the reply is not there in time; the signature was good, though.
  const outgoing = await sallyport(
    ['send', 'teams-outgoing', '--tenant', 'acme', '--tamper', 'wrong-key', '--url', role.url],
    {
      folder: own,
      environment: settings,
    },
  );
  expect([outgoing.code, outgoing.out]).toEqual([0, '401\n']);
});

test('--wait tells each attempt that fails and, when the event is parked, why and what to do', async () => {
  const own = await mkdtemp(join(tmpdir(), 'sallyport-send-wait-'));
  onTestFinished(() => rm(own, { recursive: true, force: true }));
  await writeFile(
    join(own, 'sallyport.config.js'),
    `let failures = 0;
    export default { agents: [{
      name: 'moody',
      run: async ({ event }) => {
        if (event.text === 'never' || failures++ === 0) throw new Error('not now');
        return { kind: 'reply', text: 'at last' };
      },
    }] };`,
  );
  const role = await startRole({ role: 'all', folder: own, environment: { ...environment, LOG_LEVEL: 'silent' } });
  onTestFinished(() => role.kill());
  const at = { folder: own, environment };
  const late = await sallyport(['send', 'slack', '--url', role.url, '--wait'], at);
  expect([late.code, late.out]).toEqual([0, expect.stringContaining('at last')]);
  expect(late.err).toMatch(/^attempt 1 failed: ERR_\w+.*; it is tried again\n/);
  const waiting = sallyport(['send', 'slack', '--url', role.url, '--text', 'never', '--wait'], at);
  const api = { folder: own, environment: { ...environment, SALLYPORT_URL: role.url } };
  let id = '';
  await expect
    .poll(
      async () => {
        const { out } = await sallyport(['events', '--json'], api);
        const open = (JSON.parse(out) as { events: { id: string; state: string }[] }).events.find(
          ({ state }) => state === 'waiting',
        );
        id = open?.id ?? '';
        return id;
      },
      { timeout: 30_000 },
    )
    .toMatch(new RegExp(EVENT_ID));
  await sallyport(['events', 'park', id], api);
  const { code, err } = await waiting;
  expect(code).toBe(1);
  expect(err).toContain('the event is parked: ERR_PARKED_BY_OPERATOR');
  expect(err).toMatch(new RegExp(`next: sallyport events show ${id}\n$`));
}, 120_000);
