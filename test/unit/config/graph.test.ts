import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';

/** What an administrator sets for Graph, from the environment. */

const required = { GRAPH_TENANT_ID: 'contoso.onmicrosoft.com', GRAPH_CLIENT_ID: 'app', GRAPH_CLIENT_SECRET: 'secret' };
const PEM = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----';

const graphOf = (environment: Record<string, string>) => {
  const loaded = loadConfig({}, environment, 'tool');
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config.tenants.default?.graph;
};
const problemsOf = (environment: Record<string, string>, role: 'tool' | 'all' = 'tool'): readonly string[] => {
  const loaded = loadConfig({}, environment, role);
  return loaded.ok ? [] : loaded.problems;
};

describe('GRAPH_SUBSCRIPTIONS', () => {
  it('is a comma list of paths, whose queries may hold commas', () => {
    const list =
      "users/a@b.c/messages?$select=subject,body,from, chats('19:x@thread.v2')/messages,teams/t/channels/c/messages";
    expect(graphOf({ ...required, GRAPH_SUBSCRIPTIONS: list })?.subscriptions.map(({ resource }) => resource)).toEqual([
      'users/a@b.c/messages?$select=subject,body,from',
      "chats('19:x@thread.v2')/messages",
      'teams/t/channels/c/messages',
    ]);
  });

  it('needs credentials and a public URL', () => {
    const wanted = { GRAPH_TENANT_ID: 't', GRAPH_SUBSCRIPTIONS: 'users/a/messages' };
    expect(problemsOf(wanted)).toEqual([
      expect.stringMatching(/^(GRAPH_CLIENT_ID|tenants\.default\.graph\.clientId): /),
      expect.stringMatching(/^(GRAPH_CLIENT_SECRET|tenants\.default\.graph\.clientSecret): /),
    ]);
    const keys = {
      SALLYPORT_SEAL_KEY: Buffer.alloc(32).toString('base64'),
      SALLYPORT_ID_KEY: Buffer.alloc(32, 1).toString('base64'),
    };
    const problems = problemsOf({ ...required, ...keys, GRAPH_SUBSCRIPTIONS: 'users/a/messages' }, 'all');
    expect(problems).toEqual([expect.stringMatching(/^SALLYPORT_PUBLIC_URL: /)]);
  });

  it('refuses what is no path', () => {
    const problems = problemsOf({ ...required, GRAPH_SUBSCRIPTIONS: 'everything' });
    expect(problems).toEqual([expect.stringMatching(/^GRAPH_SUBSCRIPTIONS: /)]);
  });
});

describe('the encryption of rich notifications', () => {
  it('takes PEM with line ends written out, several keys, and a name for each', () => {
    const graph = graphOf({
      ...required,
      GRAPH_ENCRYPTION_CERT: '-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----',
      GRAPH_ENCRYPTION_KEY: `${PEM.replaceAll('\n', '\\n')},${PEM}`,
      GRAPH_ENCRYPTION_KEY_ID: 'new,old',
    });
    expect(graph).toMatchObject({
      encryptionCert: 'AAAA',
      encryptionKeys: [PEM, PEM],
      encryptionKeyIds: ['new', 'old'],
    });
  });

  it.each<[string, Record<string, string>]>([
    ['a certificate without its key', { GRAPH_ENCRYPTION_CERT: 'AAAA' }],
    ['two keys of one name', { GRAPH_ENCRYPTION_KEY: `${PEM},${PEM}`, GRAPH_ENCRYPTION_KEY_ID: 'same,same' }],
    ['more keys than names', { GRAPH_ENCRYPTION_KEY: `${PEM},${PEM}` }],
    ['a key that is encrypted', { GRAPH_ENCRYPTION_KEY: PEM.replaceAll('PRIVATE', 'ENCRYPTED PRIVATE') }],
    ['a certificate that is none', { GRAPH_ENCRYPTION_CERT: 'no certificate!', GRAPH_ENCRYPTION_KEY: PEM }],
  ])('refuses %s', (_, environment) => {
    expect(problemsOf({ ...required, ...environment })).not.toEqual([]);
  });
});

it('a short or too long GRAPH_CLIENT_STATE is refused, and an empty one is none', () => {
  for (const state of ['short', 'x'.repeat(129)]) {
    expect(problemsOf({ ...required, GRAPH_CLIENT_STATE: state })).toEqual([
      expect.stringMatching(/^GRAPH_CLIENT_STATE: /),
    ]);
  }
  expect(graphOf({ ...required, GRAPH_CLIENT_STATE: '' })?.clientStates).toBeUndefined();
});

it('a base URL alone switches nothing on', () => {
  expect(graphOf({ GRAPH_BASE_URL: 'http://127.0.0.1:1' })).toBeUndefined();
});
