import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { remedyTables } from '../../src/app/control.node.ts';
import { channelModules } from '../../src/channels/registry.ts';
import { isRetryable } from '../../src/core/errors.ts';
import { createRemedyOf } from '../../src/core/remedies.ts';
import { startHttpAgentServer } from '../../src/testing/agents/http-agent-server.ts';
import { startLlmServer } from '../../src/testing/agents/llm-server.ts';
import { gmailPush, withToken } from '../../src/testing/gmail/pubsub-sender.ts';
import { startGmailServer } from '../../src/testing/gmail/server.ts';
import { startGraphServer } from '../../src/testing/graph/server.ts';
import { startKeyServer } from '../../src/testing/keys/key-server.ts';
import { startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { startBotConnectorServer } from '../../src/testing/teams/bot-connector-server.ts';
import { signTeamsActivity, teamsMessage } from '../../src/testing/teams/signer.ts';
import { freePort } from '../support/free-port.ts';
import { AUDIENCE, googleKey, MAILBOX, SERVICE_ACCOUNT, SUBSCRIPTION, tokenAt } from '../support/gmail.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { until } from '../support/until.ts';
import { planted, type VendorFailure, vendorFailures } from '../support/vendor-failures.ts';

/** One process with a tenant for each failure, local servers of every vendor, and one event of each tenant. */
const KEY = Buffer.alloc(32, 7).toString('base64');
const AGENT_SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
const APP_ID = '3851a47b-53ed-4d29-b878-6e941da61e98';
const CLIENT_STATE = 'a-client-state-of-some-length';
/** Five attempts take up to 40 s; the machine may be busy with other tests. */
const PATIENCE = { withinMs: 120_000, everyMs: 250 };

interface World {
  /** The settings of its tenant. */
  readonly tenant: object;
  /** Somebody writes. */
  write(): Promise<unknown>;
}

const stops: (() => Promise<unknown>)[] = [];
const stopping = <T extends { stop(): Promise<unknown> }>(server: T): T => {
  stops.push(() => server.stop());
  return server;
};

let gate: RoleProcess;
let url: string;
let folder: string;
const nameOf = (failure: VendorFailure): string => `${failure.side}-${vendorFailures.indexOf(failure)}`;

async function post(
  path: string,
  { headers, body }: { headers: Readonly<Record<string, string>>; body: Uint8Array },
): Promise<void> {
  const { status } = await fetch(`${url}${path}`, { method: 'POST', headers, body: new Uint8Array(body) });
  if (status >= 300) throw new Error(`${path} answered ${status}`);
}

/** A tenant that is written to through Slack. */
async function slackWorld(name: string, fault?: (VendorFailure & { side: 'slack' })['fault']): Promise<World> {
  const slack = stopping(await startSlackServer());
  const signingSecret = `signing-secret-of-${name}`;
  return {
    tenant: { slack: { signingSecrets: [signingSecret], botToken: 'xoxb-of-a-local-slack', apiUrl: slack.url } },
    async write() {
      for (let attempt = 1; attempt <= 5 && fault !== undefined; attempt += 1) slack.failNext(fault);
      const at = Date.now();
      await post(
        `/hooks/slack/${name}`,
        signSlackRequest(slackJson(slackMessage({ text: name, at })), { signingSecret, at }),
      );
    },
  };
}

async function graphWorld(name: string, { at, fault }: VendorFailure & { side: 'graph' }): Promise<World> {
  const graph = stopping(await startGraphServer({ fault: ({ path }) => (at.test(path) ? fault : undefined) }));
  const { tenantId, clientId, clientSecret } = graph;
  const urls = { baseUrl: graph.url, authorityUrl: graph.url, jwksUrl: graph.jwksUrl };
  return {
    tenant: { graph: { tenantId, clientId, clientSecret, clientStates: [CLIENT_STATE], ...urls } },
    async write() {
      const { status } = await graph.subscribe({
        ...{ resource: `users/${MAILBOX}/messages`, changeType: 'created', clientState: CLIENT_STATE },
        notificationUrl: `${url}/hooks/graph/${name}`,
        expirationDateTime: new Date(Date.now() + 3_600_000).toISOString(),
      });
      expect(status).toBe(201);
      graph.mail(MAILBOX, { text: 'hello', subject: name });
    },
  };
}

async function teamsWorld(name: string, { fault }: VendorFailure & { side: 'teams' }): Promise<World> {
  const connector = stopping(await startBotConnectorServer({ appId: APP_ID, appPassword: 'password' }));
  const urls = { openIdUrl: connector.keys.openidUrl, tokenUrl: connector.tokenUrl, serviceHosts: ['127.0.0.1'] };
  return {
    tenant: { teams: { appId: APP_ID, appPassword: 'password', ...urls } },
    async write() {
      for (let attempt = 1; attempt <= 5; attempt += 1) connector.failNext(fault);
      const at = Date.now();
      const activity = teamsMessage({ text: name, at, appId: APP_ID, serviceUrl: connector.serviceUrl });
      await post(`/hooks/teams/${name}`, signTeamsActivity(activity, { key: connector.signingKey, appId: APP_ID, at }));
    },
  };
}

async function gmailWorld(name: string, { at, fault }: VendorFailure & { side: 'gmail' }): Promise<World> {
  const google = stopping(await startKeyServer([googleKey]));
  const gmail = stopping(
    await startGmailServer({ clock: Date.now, fault: ({ method }) => (method === at ? fault : undefined) }),
  );
  const push = { audience: AUDIENCE, serviceAccount: SERVICE_ACCOUNT, subscription: SUBSCRIPTION };
  return {
    tenant: { gmail: { ...push, mailboxes: [MAILBOX], jwksUrl: google.jwksUrl, baseUrl: gmail.url } },
    async write() {
      const mailbox = gmail.mailbox(MAILBOX);
      mailbox.deliver({ subject: name, text: 'hello' });
      const told = { subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: String(mailbox.historyId()) };
      await post(`/hooks/gmail/${name}`, withToken(gmailPush({ ...told, at: Date.now() }), tokenAt(Date.now())));
    },
  };
}

function worldOf(failure: VendorFailure): Promise<World> {
  const name = nameOf(failure);
  switch (failure.side) {
    case 'slack':
      return slackWorld(name, failure.fault);
    case 'graph':
      return graphWorld(name, failure);
    case 'teams':
      return teamsWorld(name, failure);
    case 'gmail':
      return gmailWorld(name, failure);
    default:
      return slackWorld(name);
  }
}

/** The failure that a text belongs to: it holds the name of its tenant. */
const failureIn = (text: string): VendorFailure | undefined =>
  vendorFailures.find((one) => new RegExp(`\\b${nameOf(one)}\\b`).test(text));

async function startGuardrail(): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const failure = failureIn((JSON.parse(body) as { text: string }).text);
    if (failure?.side !== 'guardrail') return void response.end('{"verdict":"pass"}');
    if (failure.answer !== null) response.writeHead(failure.answer.status).end(failure.answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(async () => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/check`;
}

beforeAll(async () => {
  const model = stopping(
    await startLlmServer({
      answer: ({ messages }) => {
        const failure = failureIn(String(messages.at(-1)?.content));
        return failure?.side === 'model' ? failure.answer : { text: 'hello' };
      },
    }),
  );
  const agent = stopping(
    await startHttpAgentServer({
      secret: AGENT_SECRET,
      react: ({ event }) => {
        const failure = failureIn(event.tenant);
        return failure?.side === 'agent' ? failure.reaction : { reply: { text: 'hello' } };
      },
    }),
  );
  const worlds = new Map<VendorFailure, World>();
  for (const failure of vendorFailures) worlds.set(failure, await worldOf(failure));
  const settings = {
    agent: { kind: 'echo', llm: { baseUrl: model.url, apiKey: 'a-key-of-the-model', model: 'local' } },
    prices: { models: { local: { input: 1, output: 1 } } },
    guardrails: {
      services: [{ name: 'policy', url: await startGuardrail(), stages: ['output'], timeout: '500ms', cache: '0ms' }],
    },
    concurrency: 16,
    tenants: Object.fromEntries([...worlds].map(([failure, { tenant }]) => [nameOf(failure), tenant])),
  };
  const throwing = vendorFailures.flatMap((one) =>
    one.side === 'program' ? [`if (tenant === '${nameOf(one)}') ${one.does};`] : [],
  );
  folder = await mkdtemp(join(tmpdir(), 'sallyport-failures-'));
  await writeFile(
    join(folder, 'sallyport.config.js'),
    `const of = (side) => ({ tenant }) => tenant.startsWith(side + '-');
    export default {
      ...${JSON.stringify(settings)},
      agents: [
        { name: 'helper', match: of('model'), instructions: 'You help.' },
        { name: 'elsewhere', match: of('agent'), http: ${JSON.stringify({ url: agent.url, secrets: [AGENT_SECRET] })} },
        { name: 'program', match: of('program'), async run({ event: { tenant } }) { ${throwing.join('\n')} } },
      ],
    };`,
  );
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const environment = {
    ...{ SALLYPORT_SEAL_KEY: KEY, SALLYPORT_ID_KEY: KEY, SALLYPORT_JWT_SECRET: KEY, SALLYPORT_DATA_DIR: folder },
    SALLYPORT_PUBLIC_URL: url,
  };
  gate = await startRole({ role: 'all', environment, folder, port });
  for (const world of worlds.values()) await world.write();
});
afterAll(async () => {
  await gate?.stop();
  await Promise.all(stops.map((stop) => stop()));
  await rm(folder, { recursive: true, force: true });
});

interface ShownEvent {
  readonly id: string;
  readonly channel: string;
  readonly state: string;
  readonly failure?: { readonly remedy: string; readonly cause?: string };
  readonly runs: readonly { readonly code?: string; readonly cause?: string }[];
}

async function ask<T>(failure: VendorFailure, path: string): Promise<T> {
  const token = await new SignJWT({ tenant: nameOf(failure), scope: 'events:read audit:read' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('operator')
    .setExpirationTime('10m')
    .sign(Buffer.from(KEY));
  const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  const text = await response.text();
  for (const secret of Object.values(planted)) expect(text).not.toContain(secret);
  return (path.startsWith('/audit') ? text : JSON.parse(text)) as T;
}

const remedyOf = createRemedyOf(remedyTables(channelModules));
const titles = vendorFailures.map((failure): [string, VendorFailure] => [
  `${failure.side}: ${failure.cause} as ${failure.code}`,
  failure,
]);

test.each(titles)(
  '%s is shown with its cause and its remedy',
  async (_, failure) => {
    let shown: ShownEvent | undefined;
    await until(
      `the event of ${nameOf(failure)} is parked`,
      async () => {
        const { events } = await ask<{ events: ShownEvent[] }>(failure, '/events?state=parked');
        shown = events[0];
        return shown !== undefined;
      },
      PATIENCE,
    );
    const { code, cause, status } = failure;
    const said = { cause, ...(status !== undefined && { status }) };
    const expected =
      isRetryable(code) && failure.side !== 'guardrail'
        ? { code: 'ERR_ATTEMPTS_EXHAUSTED', lastCode: code, ...said }
        : { code, ...said };
    const remedy = remedyOf(shown?.channel ?? '', { code, cause });
    expect(shown?.failure).toMatchObject({ ...expected, remedy });
    expect(shown?.runs.at(-1)).toMatchObject({ code, ...said });
    expect(await ask(failure, `/events/${shown?.id}`)).toEqual(shown);
    expect(await ask(failure, '/audit')).toContain(`"cause":"${cause}"`);
    const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'errors.md'), 'utf8');
    expect(page).toContain(remedy);
  },
  300_000,
);

test('no text of a vendor is in the log, and every attempt that failed has its cause there', async () => {
  const log = await readFile(join(folder, `all-${gate.port}.log`), 'utf8');
  expect(log).not.toContain(planted.secret);
  const lines = log.split('\n').filter((line) => line.includes('"attempt.finished"'));
  for (const { cause } of vendorFailures) expect(lines.some((line) => line.includes(`"cause":"${cause}"`))).toBe(true);
});
