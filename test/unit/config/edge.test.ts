import { expect, test } from 'vitest';
import { loadEdgeConfig } from '../../../src/config/edge.ts';

const key = Buffer.alloc(32, 7).toString('base64');

const sound = {
  SALLYPORT_ID_KEY: key,
  SALLYPORT_SEAL_KEY: key,
  SALLYPORT_RELAY_KEY: key,
  SALLYPORT_RELAY_URL: 'https://gate.example.com/relay',
  SLACK_SIGNING_SECRET: 'a-signing-secret-of-slack',
};

const problemsOf = (file: unknown, bindings: Readonly<Record<string, unknown>>): readonly string[] => {
  const loaded = loadEdgeConfig(file, bindings);
  return loaded.ok ? [] : loaded.problems;
};

test('bindings have the names of the environment, and what is not text is no setting', () => {
  const loaded = loadEdgeConfig({}, { ...sound, SHARDS: { get() {} } });
  expect(loaded).toMatchObject({
    ok: true,
    config: {
      edge: { relayUrl: 'https://gate.example.com/relay', shards: 8, passOnOver: 262_144 },
      tenants: { default: { slack: { signingSecrets: [sound.SLACK_SIGNING_SECRET] } } },
    },
  });
});

test('a file that the origin has too may set what only the origin reads', () => {
  const file = {
    tenants: { acme: { slack: { signingSecrets: 'another-secret-of-slack' }, budget: { usdPerDay: 5 } } },
    agents: { helper: { kind: 'echo' } },
    edge: { shards: 4 },
  };
  expect(loadEdgeConfig(file, sound)).toMatchObject({ ok: true, config: { edge: { shards: 4 } } });
});

test('everything that is missing is named at once, with what to do', () => {
  expect(problemsOf({}, {})).toEqual([
    expect.stringMatching(/^SALLYPORT_ID_KEY: is required .*origin/),
    expect.stringMatching(/^SALLYPORT_SEAL_KEY: is required .*origin/),
    expect.stringMatching(/^SALLYPORT_RELAY_KEY: is required .*keygen/),
    expect.stringMatching(/^SALLYPORT_RELAY_URL: is required/),
  ]);
});

test.each([
  ['SALLYPORT_RELAY_URL', 'https://other.example.com/'],
  ['SALLYPORT_RELAY_URL', 'https://other.example.com/relay/x'],
  ['SALLYPORT_RELAY_URL', 'http://other.example.com/relay'],
  ['SALLYPORT_RELAY_KEY', 'c2hvcnQ='],
  ['SALLYPORT_EDGE_SHARDS', '0'],
  ['SALLYPORT_EDGE_SHARDS', '65'],
  ['SALLYPORT_EDGE_LOCATION', 'moon'],
  ['SALLYPORT_EDGE_JURISDICTION', 'moon'],
  ['SLACK_SIGNING_SECRET', 'short-one'],
])('%s=%s is refused without its value', (name, value) => {
  const problems = problemsOf({}, { ...sound, [name]: value });
  expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
  expect(problems.join()).not.toContain(value.length > 3 ? value : `=${value}`);
});

test('a configuration that is not an object is refused', () => {
  expect(problemsOf('tenants', sound)).toEqual(['configuration: must be an object of settings']);
});
