import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Roles } from '../../../src/cli/commands/serve.ts';
import { runCommandLine } from '../../../src/cli/program.ts';
import { allVariables, unknownSettings } from '../../../src/config/environment.ts';
import type { Config } from '../../../src/config/schema.ts';
import { freshKeyPair } from '../../../src/core/crypto/ed25519.node.ts';
import { createTestCertificate } from '../../../src/testing/keys/certificate.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
const sound = { SALLYPORT_SEAL_KEY: KEY, SALLYPORT_ID_KEY: KEY, SLACK_SIGNING_SECRET: SECRET };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-secrets-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

interface Started {
  readonly code: number;
  readonly config: Config | undefined;
  /** Problems, one a line. */
  readonly problems: readonly string[];
}

/** What the role `all` is started with. */
async function start(environment: Record<string, string>): Promise<Started> {
  let config: Config | undefined;
  const all = async (given: { readonly config: Config }): Promise<void> => {
    config = given.config;
  };
  const complaints: string[] = [];
  const code = await runCommandLine(
    ['all'],
    {
      environment,
      folder,
      input: process.stdin,
      write: () => {},
      print: () => {},
      complain: (text) => complaints.push(text),
    },
    async () => ({ all }) as unknown as Roles,
    '0.0.0',
  );
  const problems = complaints.join('\n').split('\n').slice(1);
  return { code, config, problems: problems.map((line) => line.trim()) };
}

const { privateKey: auditKey } = freshKeyPair();
const { privateKey: graphKey } = createTestCertificate();

/** A value of every secret. */
const secrets: Readonly<Record<string, string>> = {
  ...sound,
  SALLYPORT_REDIS_URL: 'rediss://user:password@redis.example:6380/0',
  SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes',
  SALLYPORT_JWT_PREVIOUS_SECRETS: 'another-secret-of-at-least-thirty-two-bytes',
  SALLYPORT_JWT_INTROSPECTION_CLIENT_SECRET: 'the-secret-of-a-client',
  SALLYPORT_HTTPS_PROXY: 'http://someone:a-password@proxy.example:3128',
  SALLYPORT_METRICS_TOKEN: 'a-token-of-sixteen-bytes',
  SALLYPORT_RELAY_KEY: KEY,
  SALLYPORT_AUDIT_KEY: auditKey,
  SALLYPORT_AGENT_SECRET: `whsec_${Buffer.alloc(24, 2).toString('base64')}`,
  LLM_API_KEY: 'sk-a-key-of-a-model',
  SLACK_BOT_TOKEN: 'xoxb-local-token-for-tests',
  GRAPH_CLIENT_SECRET: 'the-secret-of-an-app',
  GRAPH_CLIENT_STATE: 'a-state-of-sixteen-bytes',
  GRAPH_ENCRYPTION_KEY: graphKey,
  TEAMS_APP_PASSWORD: 'the-password-of-a-bot',
  TEAMS_OUTGOING_SECRET: Buffer.alloc(32, 3).toString('base64'),
};
const others = {
  LLM_BASE_URL: 'http://127.0.0.1:1/v1',
  LLM_MODEL: 'm',
  GRAPH_TENANT_ID: 'contoso.example',
  GRAPH_CLIENT_ID: 'app',
  TEAMS_APP_ID: 'app',
};

describe('a secret from a file', () => {
  test('is what the variable itself would be, for every secret', async () => {
    expect(Object.keys(secrets).sort()).toEqual([...allVariables.secret].sort());
    const files: Record<string, string> = {};
    for (const [name, value] of Object.entries(secrets)) files[`${name}_FILE`] = await file(name, `${value}\n`);
    const fromFiles = await start({ ...others, ...files });
    expect(fromFiles.problems).toEqual([]);
    expect(fromFiles.config).toEqual((await start({ ...others, ...secrets })).config);
  });

  test.each([
    ['no line break', ''],
    ['a line break', '\n'],
    ['a line break of Windows', '\r\n'],
  ])('ends before %s', async (_, ending) => {
    const path = await file('jwt', `${secrets.SALLYPORT_JWT_SECRET}${ending}`);
    const { config } = await start({ ...sound, SALLYPORT_JWT_SECRET_FILE: path });
    expect(config?.api.jwtSecret).toBe(secrets.SALLYPORT_JWT_SECRET);
  });

  test('keeps all of its other characters', async () => {
    const path = await file('jwt', `${secrets.SALLYPORT_JWT_SECRET}\n\n`);
    expect((await start({ ...sound, SALLYPORT_JWT_SECRET_FILE: path })).problems).toEqual([
      'SALLYPORT_JWT_SECRET: has white space around it',
    ]);
  });

  test('is found from the working folder, and an empty name of a file counts as absent', async () => {
    await file('token', 'a-token-of-sixteen-bytes');
    const { config } = await start({ ...sound, SALLYPORT_METRICS_TOKEN_FILE: 'token', SALLYPORT_SEAL_KEY_FILE: ' ' });
    expect(config?.metricsToken).toBe('a-token-of-sixteen-bytes');
  });
});

describe('a file of a secret is refused', () => {
  test('beside the variable itself', async () => {
    const path = await file('seal', KEY);
    expect(await start({ ...sound, SALLYPORT_SEAL_KEY_FILE: path })).toMatchObject({
      code: 78,
      problems: ['SALLYPORT_SEAL_KEY: is set, and so is SALLYPORT_SEAL_KEY_FILE; remove one of them'],
    });
  });

  test('when it gives no secret, by its path and never by its content', async () => {
    const content = 'c4n4ry-of-a-secret';
    await mkdir(join(folder, 'directory'), { recursive: true });
    const files = [
      [join(folder, 'absent'), 'cannot be read (ENOENT)'],
      [join(folder, 'directory'), 'is not a file'],
      [await file('empty', ''), 'is empty'],
      [await file('blank', ' \n'), 'is empty'],
      [await file('large', content.repeat(5_000)), 'is larger than 64 KiB'],
      [await file('binary', Buffer.concat([Buffer.from(content), Buffer.from([0xff])])), 'is not UTF-8 text'],
    ] as const;
    for (const [path, why] of files) {
      const { SLACK_SIGNING_SECRET: _, SALLYPORT_SEAL_KEY: __, ...rest } = sound;
      const { code, problems } = await start({
        ...rest,
        SLACK_SIGNING_SECRET_FILE: path,
        SALLYPORT_SEAL_KEY_FILE: path,
      });
      // Nor is the setting called missing as well.
      expect([code, [...problems].sort()]).toEqual([
        78,
        [`SALLYPORT_SEAL_KEY_FILE: ${path} ${why}`, `SLACK_SIGNING_SECRET_FILE: ${path} ${why}`],
      ]);
    }
  });

  test('together with every other problem', async () => {
    const path = join(folder, 'absent');
    const { problems } = await start({ ...sound, PORT: 'http', SALLYPORT_JWT_SECRET_FILE: path });
    expect(problems).toEqual([
      `SALLYPORT_JWT_SECRET_FILE: ${path} cannot be read (ENOENT)`,
      'PORT: must be a whole number from 0 to 65535',
    ]);
  });
});

test('only secrets have files', () => {
  const names = ['SALLYPORT_SEAL_KEY_FILE', 'SALLYPORT_TOKEN_FILE', 'SALLYPORT_GRACE_FILE', 'SALLYPORT_FILE'];
  expect(unknownSettings(Object.fromEntries(names.map((name) => [name, 'x']))).map(({ name }) => name)).toEqual([
    'SALLYPORT_GRACE_FILE',
    'SALLYPORT_FILE',
  ]);
});
