import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { matchPolicy } from '../../../src/channels/slack/receive/relevance.ts';
import { sallyport } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { openGate } from '../../support/gate.ts';
import { testWith } from '../../support/needs.ts';
import { postSlack } from '../../support/slack.ts';

const URL_OF_GATE = 'https://gate.example.com';

describe('the manifest of a Slack app', () => {
  /** What Slack's reference says of a manifest, as far as ours goes. */
  const slackManifest = z.strictObject({
    display_information: z.strictObject({ name: z.string().min(1).max(35) }),
    features: z.strictObject({
      app_home: z.strictObject({
        home_tab_enabled: z.literal(false),
        messages_tab_enabled: z.literal(true),
        messages_tab_read_only_enabled: z.literal(false),
      }),
      bot_user: z.strictObject({ display_name: z.string().regex(/^[a-z0-9._-]{1,80}$/), always_online: z.boolean() }),
      slash_commands: z
        .array(
          z.strictObject({
            command: z.string().regex(/^\/.{1,31}$/),
            url: z.url(),
            description: z.string(),
            usage_hint: z.string(),
            should_escape: z.literal(false),
          }),
        )
        .optional(),
    }),
    oauth_config: z.strictObject({ scopes: z.strictObject({ bot: z.array(z.string()) }) }),
    settings: z.strictObject({
      event_subscriptions: z.strictObject({ request_url: z.url(), bot_events: z.array(z.string()) }),
      interactivity: z.strictObject({ is_enabled: z.literal(true), request_url: z.url() }),
      org_deploy_enabled: z.boolean(),
      socket_mode_enabled: z.literal(false),
      token_rotation_enabled: z.literal(false),
    }),
  });

  async function made(args: readonly string[] = [], configuration?: unknown) {
    const folder = await testFolder();
    if (configuration !== undefined) {
      await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify(configuration));
    }
    const { code, out, err } = await sallyport(['manifest', 'slack', '--url', URL_OF_GATE, ...args], { folder });
    expect({ code, err }).toMatchObject({ code: 0 });
    const manifest = slackManifest.parse(JSON.parse(out));
    const { bot_events: events } = manifest.settings.event_subscriptions;
    return { manifest, events, scopes: manifest.oauth_config.scopes.bot, err };
  }

  test('sends events, commands and presses to the tenant’s hook', async () => {
    const { manifest } = await made(['--tenant', 'acme', '--command', '/ask', '/summarise']);
    const hook = `${URL_OF_GATE}/hooks/slack/acme`;
    expect(manifest.settings).toMatchObject({
      event_subscriptions: { request_url: hook },
      interactivity: { request_url: hook },
    });
    expect(manifest.features.slash_commands).toMatchObject([
      { command: '/ask', url: hook },
      { command: '/summarise', url: hook },
    ]);
    expect(manifest.oauth_config.scopes.bot).toContain('commands');
  });

  test('subscribes to events that the channel takes, and to no other', async () => {
    const gate = await openGate({ slack: { match: matchPolicy() } });
    onTestFinished(() => gate.stop());
    const { events } = await made();
    expect(events).toEqual(['app_mention', 'message.channels', 'message.groups', 'message.im', 'message.mpim']);
    const channelTypes: Record<string, string> = { channels: 'channel', groups: 'group', im: 'im', mpim: 'mpim' };
    for (const [index, event] of events.entries()) {
      const [type = '', place = 'channels'] = event.split('.');
      const ts = `170000000${index}.000100`;
      const post = { type, channel_type: channelTypes[place], channel: 'C0000001', user: 'U0000001', text: 'hi', ts };
      const payload = {
        type: 'event_callback',
        event_id: `Ev${index}`,
        event_time: Math.floor(Date.now() / 1000),
        team_id: 'T0000001',
        api_app_id: 'A0000001',
        event: { ...post, event_ts: ts },
      };
      expect({ event, ...(await postSlack(gate.app, payload)) }).toMatchObject({ event, outcome: 'accepted' });
    }
  });

  test('asks for the scopes of what the channel is sent and calls, and for no other', async () => {
    /** By Slack's reference: the scope under which an event is sent, and those of a method for every kind of channel. */
    const histories = ['channels:history', 'groups:history', 'im:history', 'mpim:history'];
    const scopesOf: Readonly<Record<string, readonly string[]>> = {
      app_mention: ['app_mentions:read'],
      'message.channels': ['channels:history'],
      'message.groups': ['groups:history'],
      'message.im': ['im:history'],
      'message.mpim': ['mpim:history'],
      'auth.test': [],
      'chat.postMessage': ['chat:write'],
      'conversations.history': [...histories, 'metadata.message:read'],
      'conversations.replies': [...histories, 'metadata.message:read'],
    };
    const folder = join(import.meta.dirname, '..', '..', '..', 'src', 'channels', 'slack');
    const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const code = sources.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
    // Whatever has the form of a Web API method is one.
    const called = [...code.matchAll(/'((?:[a-z]+\.)+[a-z][A-Za-z]+)'/g)]
      .map(([, method = '']) => method)
      .filter((name) => !/^(message|reply|hooks|attachment)\./.test(name));
    expect([...new Set(called)].sort()).toEqual(
      Object.keys(scopesOf).filter((name) => !/^(app_|message\.)/.test(name)),
    );
    const { events, scopes, manifest } = await made();
    const needed = [...events, ...called].flatMap((name) => scopesOf[name] ?? [`no row for ${name}`]);
    // What lies at a file's `url_private` is shown to an app with this scope.
    if (code.includes('url_private')) needed.push('files:read');
    expect([...scopes].sort()).toEqual([...new Set(needed)].sort());
    // An agent's view brings events and methods that the channel has not.
    expect(Object.keys(manifest.features)).toEqual(['app_home', 'bot_user']);
  });

  test('follows the configuration: mentions alone, further event types, an organisation', async () => {
    const slack = { mentionsOnly: true, eventTypes: ['reaction_added', 'dnd_updated_user'], teams: ['E0ACME'] };
    const { events, scopes, manifest, err } = await made([], { tenants: { default: { slack } } });
    expect(events).toEqual(['app_mention', 'message.im', 'reaction_added', 'dnd_updated_user']);
    expect(scopes).toContain('reactions:read');
    expect(err).toContain('dnd_updated_user: look up its scope');
    expect(manifest.settings.org_deploy_enabled).toBe(true);
  });

  test('comes with a link that opens Slack’s form with it', async () => {
    const folder = await testFolder();
    const base = { folder, environment: { SALLYPORT_PUBLIC_URL: URL_OF_GATE } };
    const { out } = await sallyport(['manifest', 'slack', '--link'], base);
    const link = new URL(out.trim());
    expect([link.origin, link.pathname, link.searchParams.get('new_app')]).toEqual([
      'https://api.slack.com',
      '/apps',
      '1',
    ]);
    const written = await sallyport(['manifest', 'slack', '--out', 'slack.json'], base);
    expect(written).toMatchObject({ code: 0, out: '' });
    expect(written.err).toContain(out.trim());
    const file = JSON.parse(await readFile(join(folder, 'slack.json'), 'utf8'));
    expect(JSON.parse(link.searchParams.get('manifest_json') ?? '')).toEqual(file);
  });

  test('is refused in one line that names the option or the setting', async () => {
    const folder = await testFolder();
    for (const [args, code, line] of [
      [[], 2, '--url: is required (or SALLYPORT_PUBLIC_URL)'],
      [['--url', 'http://gate.example.com'], 2, '--url: must be https://host, without a path'],
      [['--url', `${URL_OF_GATE}/hooks`], 2, '--url: must be https://host, without a path'],
      [['--url', URL_OF_GATE, '--command', 'ask'], 2, '--command: must be a slash and 1 to 31 of a-z, 0-9, - and _'],
      [['--url', URL_OF_GATE, '--name', 'x'.repeat(36)], 2, '--name: is longer than 35 characters'],
      [['--url', URL_OF_GATE, '--tenant', '../a'], 2, '--tenant: is not a tenant name'],
    ] as const) {
      const { err, ...rest } = await sallyport(['manifest', 'slack', ...args], { folder });
      expect({ args, ...rest, err }).toEqual({ args, code, out: '', err: `${line}\n` });
    }
    const slack = { teams: ['nothing of Slack'] };
    await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ tenants: { default: { slack } } }));
    const wrong = await sallyport(['manifest', 'slack', '--url', URL_OF_GATE], { folder });
    expect(wrong).toMatchObject({ code: 78, out: '', err: expect.stringMatching(/^teams: must be ids of workspaces/) });
    expect(wrong.err).not.toContain('nothing of Slack');
  });
});

describe('the package of a Teams app', () => {
  const APP_ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
  /** What the schema of the version says, as far as a bot goes. */
  const teamsManifest = z.strictObject({
    $schema: z.url(),
    manifestVersion: z.string().regex(/^1\.\d+$/),
    version: z.string().regex(/^\d+\.\d+\.\d+$/),
    id: z.guid(),
    developer: z.strictObject({
      name: z.string().max(32),
      websiteUrl: z.url({ protocol: /^https$/ }),
      privacyUrl: z.url({ protocol: /^https$/ }),
      termsOfUseUrl: z.url({ protocol: /^https$/ }),
    }),
    name: z.strictObject({ short: z.string().min(1).max(30), full: z.string().min(1).max(100) }),
    description: z.strictObject({ short: z.string().min(1).max(80), full: z.string().min(1).max(4000) }),
    icons: z.strictObject({ color: z.literal('color.png'), outline: z.literal('outline.png') }),
    accentColor: z.string().regex(/^#[0-9A-F]{6}$/),
    bots: z.tuple([
      z.strictObject({
        botId: z.guid(),
        scopes: z.array(z.enum(['personal', 'team', 'groupChat'])).min(1),
        supportsFiles: z.boolean(),
        isNotificationOnly: z.boolean(),
      }),
    ]),
    supportsChannelFeatures: z.literal('tier1'),
    permissions: z.array(z.enum(['identity', 'messageTeamMembers'])),
    validDomains: z.array(z.string()).max(16),
  });

  async function made(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
    const folder = await testFolder();
    const options = ['--url', URL_OF_GATE, '--out', 'app.zip', ...args];
    const { code, out, err } = await sallyport(['manifest', 'teams', ...options], { folder, environment });
    expect({ code, out, err }).toMatchObject({ code: 0, out: '' });
    expect(err).toContain(`${URL_OF_GATE}/hooks/teams/default`);
    return join(folder, 'app.zip');
  }

  testWith('python3')(
    'is a zip that others read, with a manifest of the schema and icons of the right size',
    async () => {
      const path = await made(['--app-id', APP_ID, '--name', 'Ask Acme', '--app-version', '1.2.3']);
      const program = `
import base64, json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as file:
    assert file.testzip() is None
    print(json.dumps({ name: base64.b64encode(file.read(name)).decode() for name in file.namelist() }))`;
      const files = JSON.parse(execFileSync('python3', ['-c', program, path], { encoding: 'utf8' }));
      expect(Object.keys(files)).toEqual(['manifest.json', 'color.png', 'outline.png']);
      const content = (name: string): Buffer => Buffer.from(files[name], 'base64');
      const manifest = teamsManifest.parse(JSON.parse(content('manifest.json').toString()));
      expect(manifest).toMatchObject({
        id: APP_ID,
        version: '1.2.3',
        name: { short: 'Ask Acme' },
        bots: [{ botId: APP_ID }],
      });
      expect(manifest.$schema).toContain(`/v${manifest.manifestVersion}/`);
      for (const [name, size] of [
        ['color.png', 192],
        ['outline.png', 32],
      ] as const) {
        const { width, height, pixels } = decoded(content(name));
        expect([name, width, height]).toEqual([name, size, size]);
        // Teams wants the outline in white on transparent, and the other icon without a transparent pixel.
        const colours = new Set(pixels);
        expect([...colours].sort()).toEqual(
          name === 'outline.png' ? ['ffffff00', 'ffffffff'] : ['1f4e79ff', 'ffffffff'],
        );
      }
    },
  );

  /** By Python's zlib and not by ours: an independent reading of the format, checksums included. */
  function decoded(png: Buffer): { width: number; height: number; pixels: string[] } {
    const program = `
import base64, json, struct, sys, zlib
data = base64.b64decode(sys.stdin.read())
assert data[:8] == b'\\x89PNG\\r\\n\\x1a\\n'
at, raw = 8, b''
while at < len(data):
    length, kind = struct.unpack('>I4s', data[at:at + 8])
    body = data[at + 8:at + 8 + length]
    assert zlib.crc32(kind + body) == struct.unpack('>I', data[at + 8 + length:at + 12 + length])[0]
    if kind == b'IHDR': width, height, *rest = struct.unpack('>IIBBBBB', body)
    if kind == b'IDAT': raw += body
    at += 12 + length
assert rest == [8, 6, 0, 0, 0] and kind == b'IEND'
rows = zlib.decompress(raw)
stride = 1 + 4 * width
assert len(rows) == stride * height and all(rows[y * stride] == 0 for y in range(height))
pixels = [rows[y * stride + 1 + 4 * x:y * stride + 5 + 4 * x].hex() for y in range(height) for x in range(width)]
print(json.dumps({'width': width, 'height': height, 'pixels': pixels}))`;
    return JSON.parse(
      execFileSync('python3', ['-c', program], { input: png.toString('base64'), encoding: 'utf8', maxBuffer: 2 ** 24 }),
    );
  }

  test('takes the bot’s id from the settings, and is the same for the same input', async () => {
    const [one, two] = [await made([], { TEAMS_APP_ID: APP_ID }), await made(['--app-id', APP_ID])];
    expect((await readFile(one)).equals(await readFile(two))).toBe(true);
  });

  test('is refused in one line without an id, a file, or a version of three numbers', async () => {
    const folder = await testFolder();
    for (const [args, line] of [
      [['--out', 'a.zip'], /^--app-id: is required \(or TEAMS_APP_ID\)/],
      [['--out', 'a.zip', '--app-id', 'no guid'], /^--app-id: is required/],
      [['--app-id', APP_ID], /--out <file>/],
      [['--out', 'a.zip', '--app-id', APP_ID, '--app-version', '2'], /^--app-version: must be three numbers/],
    ] as const) {
      const { code, out, err } = await sallyport(['manifest', 'teams', '--url', URL_OF_GATE, ...args], { folder });
      expect({ args, code, out, err }).toEqual({ args, code: 2, out: '', err: expect.stringMatching(line) });
      expect(err.trim().split('\n')).toHaveLength(1);
    }
  });
});
