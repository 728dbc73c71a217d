import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SallyportError } from '../../../src/core/errors.ts';
import type { Store } from '../../../src/queue/store.ts';
import { createSigningKey, forgeToken, signToken, tokenForgeries } from '../../../src/testing/keys/signing-key.ts';
import { type BotConnectorServer, startBotConnectorServer } from '../../../src/testing/teams/bot-connector-server.ts';
import { type SignedTeamsRequest, teamsClaims, teamsRequest } from '../../../src/testing/teams/signer.ts';
import { createFakeClock } from '../../support/clock.ts';
import {
  APP_ID,
  botKey,
  openTeamsGate,
  said,
  signed,
  type TeamsGate,
  type TeamsGateOptions,
} from '../../support/teams.ts';

const clock = createFakeClock();
const at = clock.now();
const unendorsed = createSigningKey({ kid: 'unendorsed' });
const forWebChat = createSigningKey({ kid: 'web-chat', endorsements: ['webchat'] });

let connector: BotConnectorServer;
let gate: TeamsGate;
const gates: TeamsGate[] = [];

async function open(options: Partial<TeamsGateOptions> = {}): Promise<TeamsGate> {
  const opened = await openTeamsGate({ connector, clock: clock.now, ...options });
  gates.push(opened);
  return opened;
}

beforeAll(async () => {
  connector = await startBotConnectorServer({ keys: [botKey, unendorsed, forWebChat] });
});
beforeEach(async () => {
  gate = await open();
});
afterAll(async () => {
  await Promise.all(gates.map((one) => one.stop()));
  await connector.stop();
});

const hello = said({ text: 'hello', at });
const withToken = (token: string, activity: object = hello): SignedTeamsRequest =>
  teamsRequest(JSON.stringify(activity), `Bearer ${token}`);

/** The status and the reason that the delivery was counted with. */
async function fate(request: SignedTeamsRequest, at: TeamsGate = gate): Promise<string> {
  const { status, outcome, eventId } = await at.post(request);
  const [[counted] = ['nothing counted']] = [...at.counts];
  // Whoever failed to prove himself learns a status and nothing else.
  if (status === 403) expect([outcome, eventId]).toEqual([null, null]);
  return `${status} ${counted}`;
}

describe('an activity of the connector', () => {
  /** Of the local connector, so that it can be answered. */
  const local = () => said({ text: 'hello', at, serviceUrl: connector.serviceUrl });

  it('is answered 202, runs once, and is answered in the conversation', async () => {
    const { status, outcome, eventId, body } = await gate.post(signed(local(), { at }));
    expect({ status, outcome, body }).toEqual({ status: 202, outcome: 'accepted', body: '' });
    expect(await gate.settle(eventId)).toMatchObject({ state: 'done', runs: [{ reply: { text: 'echo: hello' } }] });
    expect(connector.posts).toMatchObject([{ conversation: 'a:1sallyport', activity: { text: 'echo: hello' } }]);
  });

  it('sent again with a fresh token is a duplicate', async () => {
    const activity = local();
    const first = await gate.post(signed(activity, { at }));
    const again = await gate.post(signed({ ...activity, timestamp: '2030-03-17T17:46:41Z' }, { at: at + 15_000 }));
    expect(again).toMatchObject({ status: 202, outcome: 'duplicate', eventId: first.eventId });
    expect(await gate.settle(first.eventId)).toMatchObject({ deliveries: 2, runs: [{ outcome: 'replied' }] });
  });

  it('with an id that was used for other words is a conflict, recorded and not run', async () => {
    await gate.post(signed(hello, { at }));
    const other = await gate.post(signed({ ...hello, text: 'pay Mallory' }, { at }));
    expect(other).toMatchObject({ status: 202, outcome: 'conflict' });
    expect(await gate.store.events.get('acme', other.eventId ?? '')).toMatchObject({ state: 'conflict', runs: [] });
  });

  it('keeps nothing that would let a reader of the store speak for the bot', async () => {
    const { eventId } = await gate.post(signed(hello, { at }));
    const record = await gate.settle(eventId);
    expect(record.event.destination).toEqual({ via: 'message' });
    expect(Object.keys(record.event.sealed)).toEqual(['conversation_reference']);
    expect(JSON.stringify(record)).not.toContain('smba.trafficmanager.net');
  });
});

describe('the status table', () => {
  it.each([
    ['the store is away', new SallyportError('ERR_STORE_UNAVAILABLE', 'away'), 'unavailable store_unavailable'],
    ['its queue is full', 'full', 'unavailable queue_full'],
  ] as const)('503 with Retry-After when %s', async (_, failure, counted) => {
    const accept: Store['inbox']['accept'] = async () => {
      if (failure === 'full') return [{ outcome: 'full' }];
      throw failure;
    };
    const closed = await open({ store: { ...gate.store, inbox: { accept } } });
    const answer = await closed.post(signed(hello, { at }));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect([...closed.counts.keys()]).toEqual([counted]);
  });

  it('503 while the process is stopping', async () => {
    expect(await fate(signed(hello, { at }), await open({ isDraining: () => true }))).toBe(
      '503 unavailable shutting_down',
    );
  });
});

describe('a forgery', () => {
  const honest = teamsClaims(hello.serviceUrl, { appId: APP_ID, at });

  it('leaves no word of its token in logs, answers or counts', async () => {
    const marked = (claims: object): string => signToken({ ...honest, ...claims, mark: 'mark-4711' }, botKey);
    const wrong = [
      { aud: 'mark-4711' },
      { iss: 'mark-4711' },
      { exp: 1 },
      { serviceurl: 'https://mark-4711.example/' },
    ];
    const tokens = [...wrong.map(marked), ...tokenForgeries.map((one) => forgeToken(honest, botKey, one))];
    for (const token of [...tokens, marked({})]) {
      const { body, headers } = await gate.post(withToken(token));
      const seen = [body, JSON.stringify([...headers]), ...gate.lines, ...gate.counts.keys()].join(' ');
      expect(seen).not.toContain('mark-4711');
      for (const part of token.split('.').filter(Boolean)) expect(seen).not.toContain(part);
    }
    // The first forgery of a source is logged; the others are counted.
    expect(gate.lines.filter((line) => line.startsWith('delivery.rejected'))).toHaveLength(1);
  });
});
