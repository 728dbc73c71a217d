import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { escapingIo, type Io } from '../../../src/cli/io.ts';
import { runCommandLine } from '../../../src/cli/program.ts';
import { ensureBuilt } from '../../support/built.ts';
import { freshKeys } from '../../support/campaign.ts';
import { createFakeClock } from '../../support/clock.ts';
import { sallyport } from '../../support/command.ts';
import { type Gate, JWT_SECRET, openGate } from '../../support/gate.ts';
import { message, postSlack } from '../../support/slack.ts';

/** What repaints a terminal, reorders or hides what a reader sees, or begins a line. */
const HOSTILE = {
  'escape sequence': '\u001b[2K\u001b[1A',
  'C1 control': '\u009b2K',
  'carriage return': '\r',
  delete: '\u007f',
  override: '\u202e',
  isolate: '\u2066',
  mark: '\u200f',
  'Arabic mark': '\u061c',
  'zero width': '\u200b',
  'byte order mark': '\ufeff',
  'line separator': '\u2028',
  'half a pair': '\ud800',
  'tag character': '\u{e0041}',
  filler: '\u3164',
};
const ALL = Object.values(HOSTILE).join('x');
const RAW = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u3164]/u;

const folders: string[] = [];
async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-output-'));
  folders.push(folder);
  return folder;
}
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function listen(handler: Parameters<typeof createServer>[1]): Promise<{ url: string; stop: () => void }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

describe('what a stranger wrote', () => {
  const clock = createFakeClock();
  const FROM = `ceo@corp.example${ALL}\nev_0  approved  asked-by=ceo@corp.example`;
  let gate: Gate;
  let api: Awaited<ReturnType<typeof listen>>;
  let id: string;
  let folder: string;

  /** A held reply to somebody whose address and name are made to deceive whoever reviews it. */
  beforeAll(async () => {
    await ensureBuilt();
    folder = await newFolder();
    gate = await openGate({
      clock: clock.now,
      review: { replies: 'always' },
      agent: { name: 'test', run: async ({ event }) => ({ kind: 'reply', text: `you said ${event.text}` }) },
      reader: {
        read: async () => ({
          kind: 'task',
          content: { author: { id: FROM, kind: 'user' }, destination: { to: FROM } },
        }),
      },
    });
    const at = clock.now();
    const { eventId } = await postSlack(gate.app, message({ text: `hi ${ALL}`, at, channel: 'D0000001' }), { at });
    id = eventId ?? '';
    const record = await gate.store.events.get('default', id);
    await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
    api = await listen(getRequestListener(gate.app.fetch));
  });
  afterAll(async () => {
    api?.stop();
    await gate?.stop();
  });

  const run = (...args: string[]) =>
    sallyport(args, { folder, environment: { SALLYPORT_URL: api.url, SALLYPORT_JWT_SECRET: JWT_SECRET } });

  test('is one field of one line in a list of reviews, with its characters made visible', async () => {
    const { out, err, code } = await run('reviews');
    expect([code, err]).toEqual([0, '']);
    expect(out).not.toMatch(RAW);
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    const fields = out.trimEnd().split('  ');
    expect(fields).toHaveLength(7);
    expect(fields[4]).toContain('asked-by=ceo@corp.example\\u001b[2K\\u001b[1Ax\\u009b2K');
    expect(fields[4]).toContain('\\u000aev_0 \\u0020approved \\u0020asked-by=');
  });

  test.each([
    ['reviews show', (): string[] => ['reviews', 'show', id]],
    ['reviews show --json', (): string[] => ['reviews', 'show', id, '--json']],
    ['reviews --json', (): string[] => ['reviews', '--json']],
    ['events', (): string[] => ['events']],
    ['events --json', (): string[] => ['events', '--json']],
    ['events show', (): string[] => ['events', 'show', id]],
    ['events show --json', (): string[] => ['events', 'show', id, '--json']],
    ['audit export', (): string[] => ['audit', 'export']],
  ])('changes no terminal: %s', async (_, args) => {
    const { out, err, code } = await run(...args());
    expect([code, err]).toEqual([0, '']);
    expect(out).not.toMatch(RAW);
  });

  test('means the same as JSON', async () => {
    const shown = JSON.parse((await run('reviews', 'show', id, '--json')).out);
    const stored = await gate.store.events.get('default', id);
    expect(shown.text).toBe(stored?.review?.text);
    expect(shown.text).toContain('\u009b');
    expect(shown.requester.id).toBe(stored?.review?.requester.id);
  });
});

/** Each command a person can type, in every form it prints in. A command that is missing here fails the test below. */
const lines: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'events list': [[], ['--json']],
  'events show': [['ID'], ['ID', '--json']],
  'events redrive': [['ID'], ['ID', '--json']],
  'events park': [['ID'], ['ID', '--json']],
  'events resolve': [
    ['ID', '--effect', 'reply', '--outcome', 'delivered'],
    ['ID', '--effect', 'reply', '--outcome', 'delivered', '--json'],
  ],
  'budgets list': [[], ['--json']],
  'budgets set': [
    ['user', 'runs/hour=1'],
    ['user', 'runs/hour=1', '--json'],
  ],
  'budgets kill': [['on'], ['on', '--json']],
  'reviews list': [[], ['--json']],
  'reviews show': [['ID'], ['ID', '--json']],
  'reviews approve': [['ID'], ['ID', '--json'], ['ID', '--digest', 'd']],
  'reviews edit': [
    ['ID', '--text', 't'],
    ['ID', '--text', 't', '--json'],
  ],
  'reviews reject': [['ID'], ['ID', '--json']],
  'audit export': [[], ['--all']],
  'audit verify': [['FILE'], ['FILE', '--json']],
  'subscriptions list': [[], ['--json']],
  'subscriptions sync': [[], ['--json']],
  'edge outbox': [
    ['--url', 'URL'],
    ['--url', 'URL', '--json'],
  ],
  'edge resend': [
    ['ID', '--url', 'URL'],
    ['ID', '--url', 'URL', '--json'],
  ],
  'edge drop': [
    ['ID', '--url', 'URL'],
    ['ID', '--url', 'URL', '--json'],
  ],
  'edge check': [[], ['--vars', ALL]],
  init: [
    ['--yes', '--dir', 'started'],
    ['--yes', '--dir', `started-${ALL}`],
    ['--channel', ALL],
  ],
  'manifest slack': [
    ['--url', 'https://gate.example', '--name', ALL],
    ['--url', ALL],
    ['--url', 'https://gate.example', '--link'],
  ],
  'manifest teams': [
    ['--url', 'https://gate.example', '--name', ALL, '--out', 'app.zip'],
    ['--url', 'https://gate.example', '--out', ALL],
  ],
  'setup graph': [
    ['--url', 'https://gate.example'],
    ['--url', ALL],
  ],
  'setup gmail': [['--url', 'https://gate.example']],
  'setup teams': [['--url', 'https://gate.example']],
  'send slack': [['--wait']],
  'send graph': [['--wait']],
  'send gmail': [['--wait']],
  'send teams': [['--wait']],
  'send teams-outgoing': [['--wait']],
  'check-url': [[`http://${ALL}.example/`], ['-']],
  scrub: [['FILE'], ['FILE', '--json']],
  doctor: [[]],
  backup: [[ALL], [ALL, '--json']],
  restore: [[ALL], [ALL, '--json'], [ALL, '--check']],
  'support-bundle': [['bundle'], ['bundle', '--logs', ALL]],
  token: [['--scope', ALL]],
  'token revoke': [
    ['--sub', 's'],
    ['--sub', 's', '--json'],
  ],
  'users erase': [
    ['slack', 'U1'],
    ['slack', 'U1', '--json'],
  ],
  keygen: [[], ['relay']],
  dev: [[]],
  ingress: [[]],
  worker: [[]],
  all: [[]],
};

describe('every command', () => {
  let api: Awaited<ReturnType<typeof listen>>;
  let folder: string;
  const relay = { SALLYPORT_RELAY_KEY: Buffer.alloc(32, 1).toString('base64') };
  const keys = { ...freshKeys(), ...relay, SALLYPORT_JWT_SECRET: JWT_SECRET };

  /** A gate that answers all it is asked with what each command reads, and every text in it is hostile. */
  function answerTo(path: string): unknown {
    const limit = { scope: ALL, channel: ALL, resource: ALL, window: ALL, max: 1, setBy: ALL };
    const event = { id: ALL, channel: ALL, kind: ALL, state: 'done', attempts: 1, receivedAt: ALL, conversation: ALL };
    const runs = [{ outcome: ALL, reply: { text: ALL, state: ALL } }];
    const review = { digest: ALL, text: ALL, destination: { to: ALL }, requester: { id: ALL }, expiresAt: ALL };
    const source = { channel: ALL, name: ALL, state: ALL, expiresAt: ALL, lastEventAt: ALL, code: ALL };
    if (path === '/outbox') {
      const [volume, parked] = [
        { events: 1, bytes: 1 },
        { event: ALL, reason: ALL, bytes: 1, acceptedAt: ALL, parkedAt: ALL },
      ];
      const blocked = { reason: ALL, since: ALL };
      const shard = { shard: ALL, answered: true, waiting: volume, parked: volume, oldestAt: ALL, blocked };
      return { keys: [ALL], shards: [shard, { shard: ALL, answered: false }], parked: [{ ...parked, shard: ALL }] };
    }
    if (path.startsWith('/outbox/')) return { event: ALL, shard: ALL, outcome: ALL };
    const both = { ...event, ...review, runs, failure: { code: ALL } };
    if (/^\/(events|reviews)\/./.test(path)) return both;
    if (path.startsWith('/users/')) {
      const counts = { events: 1, cancelled: 1, turns: 1, answers: 1 };
      return { id: ALL, complete: true, cursor: null, ...counts, files: ALL };
    }
    if (path === '/revocations') return { id: ALL, before: ALL, revokedAt: ALL };
    if (path.startsWith('/budgets')) return { killed: true, limits: [limit], more: ALL };
    if (path === '/subscriptions/sync') return { requestedAt: new Date(0).toISOString() };
    if (path === '/subscriptions') return { checkedAt: new Date().toISOString(), subscriptions: [source] };
    return { events: [both], reviews: [both], cursor: ALL };
  }

  beforeAll(async () => {
    folder = await newFolder();
    await writeFile(join(folder, 'file'), `${ALL}\n{"tenant":"${ALL}"}\npassword: hunter2-${ALL}\n`);
    api = await listen((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://api.invalid');
      if (pathname.startsWith('/hooks/')) {
        const status = { slack: 200, graph: 202, gmail: 204, teams: 202 }[pathname.split('/')[2] ?? ''] ?? 200;
        response.writeHead(status, { 'x-sallyport-outcome': 'accepted', 'x-sallyport-event': 'ev_1' }).end();
      } else if (pathname === '/audit') {
        response.end(searchParams.get('from') === '1' ? `${JSON.stringify({ seq: 1, subject: ALL })}\n` : '');
      } else response.end(JSON.stringify(answerTo(pathname)));
    });
  });
  afterAll(() => api?.stop());

  /** Runs a command line in this process and keeps exactly what reaches the streams. */
  async function typed(args: readonly string[], more: Partial<Io> = {}): Promise<string> {
    const said: string[] = [];
    const say = (text: string): void => void said.push(text, '\n');
    const io: Io = {
      environment: { ...keys, SALLYPORT_URL: api.url },
      folder,
      input: Readable.from([`${JSON.stringify({ url: `http://${ALL}/` })}\n`]),
      ...{ write: (text: string) => void said.push(text), print: say, complain: say },
      ...more,
    };
    const started = (_: unknown, { print, complain }: Io) => {
      print(`started ${ALL}`);
      complain(`started ${ALL}`);
      return Promise.reject(new Error(ALL));
    };
    const examine = async () => () => [
      { name: ALL, run: async () => `${ALL}\nok    forged` },
      { name: ALL, run: () => Promise.reject(new Error(`${ALL}\nok    forged`)) },
    ];
    const facts = { bytes: 1, sha256: ALL, version: 1, madeAt: 0, events: { [ALL]: 1 }, auditEntries: 1 };
    const storeCopies = async () => ({ copy: async () => facts, check: async () => facts, restore: async () => facts });
    const storeCounts = async () => async () => ({ events: { [ALL]: 1 }, parkedByCode: { [ALL]: 1 }, oldestMs: 0 });
    const roles = { ingress: started, worker: started, all: started, dev: started, examine, storeCopies, storeCounts };
    await runCommandLine(args, io, async () => roles, ALL);
    return said.join('');
  }

  const filled = (args: readonly string[]) =>
    args.map((arg) => (arg === 'FILE' ? 'file' : arg === 'URL' ? api.url : arg));
  const cases = Object.entries(lines).flatMap(([path, forms]) =>
    forms.map((form) => [[...path.split(' '), ...form].join(' ').replace(ALL, '…'), [...path.split(' '), ...form]]),
  ) as [string, string[]][];

  test.each(cases)('prints nothing that a terminal obeys: %s', async (_, args) => {
    const said = await typed(filled(args), { isTerminal: true });
    expect(said).not.toBe('');
    expect(said).not.toMatch(RAW);
    expect(said).not.toMatch(/^ok {4}forged/m);
  });

  test('is among those that were looked at', async () => {
    const listed = (help: string): string[] =>
      (help.split('\nCommands:\n')[1]?.split('\n\n')[0]?.split('\n') ?? [])
        .flatMap((line) => /^ {2}([a-z][a-z-]*)/.exec(line)?.[1] ?? [])
        .filter((name) => name !== 'help');
    const leaves: string[] = [];
    const visit = async (path: readonly string[]): Promise<void> => {
      const children = listed(await typed([...path, '--help']));
      // `token` does something by itself as well.
      if (children.length === 0 || path.join(' ') === 'token') leaves.push(path.join(' '));
      for (const name of children) await visit([...path, name]);
    };
    await visit([]);
    // `send` has its channels as an argument.
    const known = new Set(Object.keys(lines).map((path) => (path.startsWith('send ') ? 'send' : path)));
    expect(new Set(leaves.map((path) => (path.startsWith('send ') ? 'send' : path)))).toEqual(known);
  });

  test('that cleans a file leaves every other byte of it as it is in a pipe, and shows them at a terminal', async () => {
    const text = `${ALL.replace('\ud800', '')}\r\n\tend`;
    await writeFile(join(folder, 'clean'), text);
    expect(await typed(['scrub', 'clean'])).toBe(text);
    expect(await typed(['scrub', 'clean'], { isTerminal: true })).not.toMatch(RAW);
  });

  test('that is used wrongly does not repeat what was typed in a form that a terminal obeys', async () => {
    for (const args of [[ALL], [`--${ALL}`], ['events', ALL], ['send', ALL], ['events', '--limit', ALL]]) {
      expect(await typed(args)).not.toMatch(RAW);
    }
  });
});

test('what belongs to a layout or to an emoji stays', () => {
  const said: string[] = [];
  const say = (text: string): void => void said.push(text);
  const io = { environment: {}, folder: '.', input: Readable.from([]), write: say, print: say, complain: say };
  escapingIo(io).print('a\tb\nnaïve ❤️ 日本語 עברית 👍🏽');
  escapingIo(io).print('a\u200db \u{e0041}');
  expect(said).toEqual(['a\tb\nnaïve ❤️ 日本語 עברית 👍🏽', 'a\\u200db \\udb40\\udc41']);
});

test('only the entry of the command line knows the streams, so that no command can write past the escaping', () => {
  const root = join(import.meta.dirname, '..', '..', '..', 'src');
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  expect(sources.length).toBeGreaterThan(300);
  const code = (file: string): string =>
    readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*/g, '');
  // A Worker has no streams: its log is the console's.
  const ofNode = sources.filter((file) => !file.startsWith('app/edge/'));
  const writers = ofNode.filter((file) =>
    /process\.std(?:out|err)|\bconsole\.(?:log|error|warn|info|debug)\b/.test(code(file)),
  );
  expect(writers).toEqual(['app/cli.ts']);
  // What is written without escapes is a file that somebody has cleaned, and nothing else.
  expect(sources.sort().filter((file) => /\bio\.write\(/.test(code(file)))).toEqual([
    'cli/commands/scrub.ts',
    'cli/io.ts',
  ]);
});
