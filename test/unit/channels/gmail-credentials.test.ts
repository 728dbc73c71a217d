import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCredentials, createGmailClient } from '../../../src/channels/gmail/api/client.ts';
import { currentHistoryId } from '../../../src/channels/gmail/read/messages.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-google-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Seen {
  readonly url: string;
  readonly authorization: string | null;
  readonly body: string;
}

/** Google's token endpoint and Gmail in one, as functions. */
function createGoogle() {
  const seen: Seen[] = [];
  const google: typeof fetch = async (input, init) => {
    const request = new Request(input instanceof Request ? input : String(input), init);
    const body = await request.text();
    seen.push({ url: request.url, authorization: request.headers.get('authorization'), body });
    return request.url.includes('oauth2')
      ? Response.json({ access_token: `token-${seen.length}`, expires_in: 3600, token_type: 'Bearer' })
      : Response.json({ historyId: '42' });
  };
  return { seen, google };
}

const keyFile = async (name: string, content: object): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, JSON.stringify(content));
  return path;
};

const open = (google: typeof fetch, path: string) =>
  createGmailClient({
    baseUrl: 'https://gmail.googleapis.com/',
    credentials: createCredentials({ keyFile: path, fetch: google }),
    fetch: google,
    timeoutMs: 5_000,
  });

const signal = new AbortController().signal;

test('a service account acts as each mailbox of its domain, with a token for each', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const path = await keyFile('service.json', {
    type: 'service_account',
    client_email: 'reader@project.iam.gserviceaccount.com',
    private_key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
  });
  const { seen, google } = createGoogle();
  const client = open(google, path);
  expect(await currentHistoryId(client, 'a@example.com', signal)).toBe('42');
  await currentHistoryId(client, 'a@example.com', signal);
  await currentHistoryId(client, 'b@example.com', signal);
  const tokens = seen.filter(({ url }) => url.includes('oauth2'));
  const assertions = tokens.map(({ body }) => decodeJwt(new URLSearchParams(body).get('assertion') ?? ''));
  expect(assertions.map(({ sub, scope }) => [sub, scope])).toEqual([
    ['a@example.com', 'https://www.googleapis.com/auth/gmail.modify'],
    ['b@example.com', 'https://www.googleapis.com/auth/gmail.modify'],
  ]);
  const calls = seen.filter(({ url }) => url.startsWith('https://gmail.googleapis.com/'));
  expect(calls.map(({ url, authorization }) => [new URL(url).pathname, authorization])).toEqual([
    ['/gmail/v1/users/a%40example.com/profile', 'Bearer token-1'],
    ['/gmail/v1/users/a%40example.com/profile', 'Bearer token-1'],
    ['/gmail/v1/users/b%40example.com/profile', 'Bearer token-4'],
  ]);
});

test('a user’s own credentials are refreshed like any other client’s', async () => {
  const path = await keyFile('user.json', {
    type: 'authorized_user',
    client_id: 'id',
    client_secret: 'secret',
    refresh_token: 'refresh',
  });
  const { seen, google } = createGoogle();
  await currentHistoryId(open(google, path), 'me@example.com', signal);
  const form = new URLSearchParams(seen[0]?.body);
  expect([form.get('grant_type'), form.get('refresh_token')]).toEqual(['refresh_token', 'refresh']);
  expect(seen[1]?.authorization).toBe('Bearer token-1');
});

test('a key file that is missing is looked for again, and its path is in no error', async () => {
  const { google } = createGoogle();
  const path = join(folder, 'later.json');
  const client = open(google, path);
  const error = await currentHistoryId(client, 'a@example.com', signal).catch((thrown: unknown) => thrown);
  expect(`${String(error)} ${(error as Error).stack}`).not.toContain('later.json');
  const user = { type: 'authorized_user', client_id: 'id', client_secret: 'secret', refresh_token: 'refresh' };
  await keyFile('later.json', user);
  expect(await currentHistoryId(client, 'a@example.com', signal)).toBe('42');
});
