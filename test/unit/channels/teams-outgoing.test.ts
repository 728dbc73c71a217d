import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readMarkdown } from '../../../src/channels/shared/markdown/read.ts';
import { createTeamsOutgoingChannel } from '../../../src/channels/teams/module.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import { createIdentifier } from '../../../src/core/identity.ts';
import { type BotConnectorServer, startBotConnectorServer } from '../../../src/testing/teams/bot-connector-server.ts';
import {
  freshSecurityToken,
  type SignedTeamsRequest,
  signTeamsOutgoing,
  type TeamsTamper,
} from '../../../src/testing/teams/signer.ts';
import { createFakeClock } from '../../support/clock.ts';
import { openTeamsGate, SECURITY_TOKEN, said, type TeamsGate } from '../../support/teams.ts';

/** The time in the vectors. */
const at = Date.parse('2017-02-01T21:10:07.437Z');
const clock = createFakeClock(at);
const PATH = '/hooks/teams/acme/outgoing';

let connector: BotConnectorServer;
let gate: TeamsGate;
const gates: TeamsGate[] = [];

beforeAll(async () => {
  connector = await startBotConnectorServer();
});
beforeEach(async () => {
  gate = await openTeamsGate({ connector, clock: clock.now });
  gate.work();
  gates.push(gate);
});
afterAll(async () => {
  await Promise.all(gates.map((one) => one.stop()));
  await connector.stop();
});

const hello = said({ text: '<at>contoso</at> hello', at, conversation: '19:general@thread.tacv2' });
const signed = (tamper?: TeamsTamper, activity = hello): SignedTeamsRequest =>
  signTeamsOutgoing(activity, { securityToken: SECURITY_TOKEN, at, ...(tamper && { tamper }) });

describe('an outgoing webhook', () => {
  it('is answered with the reply, as a message', async () => {
    const { status, outcome, headers, body, eventId } = await gate.post(signed(), PATH);
    expect([status, outcome, headers.get('content-type')]).toEqual([200, 'accepted', 'application/json']);
    expect(JSON.parse(body)).toEqual({ type: 'message', text: 'echo: hello' });
    const record = await gate.store.events.get('acme', eventId ?? '');
    expect(record).toMatchObject({ state: 'done', runs: [{ reply: { state: 'delivered' } }] });
    expect(record?.event).toMatchObject({
      mentioned: true,
      text: 'hello',
      destination: { via: 'response' },
      sealed: {},
    });
    expect(connector.posts).toEqual([]);
  });

  it('sent again is a duplicate with the same answer, and no second run', async () => {
    const first = await gate.post(signed(), PATH);
    const again = await gate.post(signed(), PATH);
    expect(again).toMatchObject({ status: 200, outcome: 'duplicate', eventId: first.eventId, body: first.body });
    expect(await gate.settle(first.eventId)).toMatchObject({ deliveries: 2, attempts: 1 });
  });

  it('with an id that was used for other words is a conflict, answered at once and politely', async () => {
    await gate.post(signed(), PATH);
    const { status, outcome, body } = await gate.post(signed(undefined, { ...hello, text: 'pay Mallory' }), PATH);
    expect([status, outcome]).toEqual([200, 'conflict']);
    expect(JSON.parse(body)).toMatchObject({ type: 'message', text: expect.stringContaining('ask again') });
  });

  it('may be signed with any of several tokens while one replaces another', async () => {
    const securityToken = freshSecurityToken();
    const rotating = createTeamsOutgoingChannel({
      crypto: nodeCrypto,
      identifier: createIdentifier(nodeCrypto, new Uint8Array(32).fill(7)),
      windowMs: 1,
      bodyLimit: 1,
      outcomeHeaders: true,
      readMarkdown,
      keys: [SECURITY_TOKEN, securityToken].map((token) => Buffer.from(token, 'base64')),
    });
    for (const token of [SECURITY_TOKEN, securityToken]) {
      const { headers, body } = signTeamsOutgoing(hello, { securityToken: token, at });
      const url = `https://gate.example${PATH}`;
      const delivery = { tenant: 'acme', url, headers: new Headers(headers), receivedAt: at, body };
      expect((await rotating.receive(delivery)).events).toHaveLength(1);
    }
  });
});

it('503 when the store is away', async () => {
  const accept = async () => {
    throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
  };
  const closed = await openTeamsGate({ connector, clock: clock.now, store: { ...gate.store, inbox: { accept } } });
  gates.push(closed);
  expect((await closed.post(signed(), PATH)).status).toBe(503);
});
