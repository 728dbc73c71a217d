import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BotConnectorServer, startBotConnectorServer } from '../../../src/testing/teams/bot-connector-server.ts';
import type { Agent } from '../../../src/workers/agent.ts';
import { sleep } from '../../support/campaign.ts';
import { APP_ID, APP_PASSWORD, botKey, openTeamsGate, said, signed, type TeamsGate } from '../../support/teams.ts';

let connector: BotConnectorServer;
let gate: TeamsGate;

/** Answers after as many ms as the message says. */
const slow: Agent = {
  name: 'slow',
  isFree: true,
  run: async ({ event }) => {
    await sleep(Number(event.text));
    return { kind: 'reply', text: 'done' };
  },
};

beforeEach(async () => {
  connector = await startBotConnectorServer({ appId: APP_ID, appPassword: APP_PASSWORD, keys: [botKey] });
  gate = await openTeamsGate({ connector, clock: Date.now, agent: slow });
});
afterEach(async () => {
  await gate.stop();
  await connector.stop();
});

async function answeredAfter(ms: number) {
  const at = Date.now();
  const message = said({ text: String(ms), at, serviceUrl: connector.serviceUrl });
  const { eventId } = await gate.post(signed(message, { at }));
  return gate.settle(eventId);
}

test('a run that takes long is announced once, before its reply', async () => {
  const record = await answeredAfter(1_500);
  expect(record).toMatchObject({ state: 'done', attempts: 1 });
  expect(connector.typings).toMatchObject([{ after: 0 }]);
  await sleep(500);
  expect([connector.typings.length, connector.posts.length]).toEqual([1, 1]);
});

test('a run that is over at once is not', async () => {
  await answeredAfter(0);
  await sleep(1_000);
  expect([connector.typings.length, connector.posts.length]).toEqual([0, 1]);
});

test('a sign on its way is waited for, so that it never follows the reply', async () => {
  connector.failNext({ at: 'conversations', kind: 'delay', ms: 400 });
  const record = await answeredAfter(800);
  expect(record).toMatchObject({ state: 'done', attempts: 1 });
  expect(connector.typings).toMatchObject([{ after: 0 }]);
  expect(connector.posts).toHaveLength(1);
});

test.each([
  ['is refused', { kind: 'status', status: 500 }],
  ['breaks', { kind: 'drop', after: 'nothing' }],
  ['is never answered', { kind: 'delay', ms: 4_000 }],
] as const)('a sign that %s fails no run and is in no journal', async (_, fault) => {
  connector.failNext({ at: 'conversations', ...fault });
  const record = await answeredAfter(1_000);
  expect(record).toMatchObject({ state: 'done', attempts: 1, runs: [{ outcome: 'replied' }] });
  expect(connector.posts).toHaveLength(1);
});
