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
const claimed = (claims: object): SignedTeamsRequest => signed(hello, { at, claims: { ...claims } });

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
    ['no authorization', { ...signed(hello, { at }), headers: {} }, '403 rejected token_missing'],
    ['a Basic one', teamsRequest('{}', 'Basic dXNlcjpwYXNz'), '403 rejected token_malformed'],
    [
      'an HMAC one',
      teamsRequest('{}', 'HMAC 03TCao0i55H1eVKUusZOTZRjtvYTs+mO41mPL+R1e1U='),
      '403 rejected token_malformed',
    ],
    ['no JSON', teamsRequest('{', bearerOf(signed(hello, { at }))), '400 rejected body_unparsable'],
    ['a list', teamsRequest('[]', bearerOf(signed(hello, { at }))), '400 rejected body_unparsable'],
    ['no type', signed({ ...hello, type: undefined }, { at }), '400 rejected body_unparsable'],
    ['no conversation', signed({ ...hello, conversation: undefined }, { at }), '400 rejected body_unparsable'],
    ['an empty conversation', signed({ ...hello, conversation: { id: '' } }, { at }), '400 rejected body_unparsable'],
    [
      'a body over the limit',
      signed({ ...hello, text: 'x'.repeat(256 * 1024) }, { at }),
      '413 rejected body_too_large',
    ],
    ['a text that is a list', signed({ ...hello, text: ['x'] }, { at }), '202 ignored unprocessable'],
    ['nobody who said it', signed({ ...hello, from: undefined }, { at }), '202 ignored unprocessable'],
    ['no id', signed({ ...hello, id: undefined }, { at }), '202 ignored unprocessable'],
    ['a type that is a sentence', signed({ ...hello, type: 'a b\nc' }, { at }), '202 ignored unknown_type'],
    ['an id that is a path', signed({ ...hello, id: '../../x' }, { at }), '202 quarantined bad_routing_id'],
  ] as const)('%s', async (_, request, expected) => {
    expect(await fate(request)).toBe(expected);
  });

  it('a body over the limit without a token is 403: its sender is not known, and it is not read', async () => {
    const request = { ...signed({ ...hello, text: 'x'.repeat(256 * 1024) }, { at }), headers: {} };
    expect(await fate(request)).toBe('403 rejected token_missing');
  });

  it('GET is 405', async () => {
    const response = await gate.app.request('http://gate.test/hooks/teams/acme');
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it.each(['/hooks/teams/other', '/hooks/teams/acme/else', '/hooks/teams'])('%s is 404', async (path) => {
    expect((await gate.post(signed(hello, { at }), path)).status).toBe(404);
  });

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

  it('503 when the keys cannot be had and none are known', async () => {
    const silent = await startBotConnectorServer({ keys: [botKey] });
    silent.keys.behave('error');
    const blind = await open({ connector: silent });
    expect(await fate(signed(hello, { at }), blind)).toBe('503 unavailable keys_unavailable');
    await silent.stop();
  });

  it('429 for a source that fails its proof too often; what is authentic is still taken', async () => {
    const strict = await open({ failuresPerMinute: 2 });
    const forged = () => strict.post(withToken('a.b.c'));
    expect([(await forged()).status, (await forged()).status]).toEqual([403, 403]);
    const over = await forged();
    expect([over.status, over.headers.get('retry-after')]).toEqual([429, '5']);
    expect((await strict.post(signed(hello, { at }))).status).toBe(202);
  });
});

function bearerOf({ headers }: SignedTeamsRequest): string {
  return headers.authorization ?? '';
}

describe('a forgery', () => {
  const honest = teamsClaims(hello.serviceUrl, { appId: APP_ID, at });

  it.each(tokenForgeries)('%s is refused', async (forgery) => {
    expect(await fate(withToken(forgeToken(honest, botKey, forgery)))).toMatch(/^403 rejected token_/);
  });

  it.each([
    ['another audience', claimed({ aud: 'another-app' }), 'token_audience'],
    ['our audience among others', claimed({ aud: [APP_ID, 'another-app'] }), 'token_audience'],
    ['another issuer', claimed({ iss: 'https://api.botframework.us' }), 'token_issuer'],
    [
      "an emulator's issuer",
      claimed({ iss: 'https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/' }),
      'token_issuer',
    ],
    ['no exp', claimed({ exp: undefined }), 'token_claim'],
    ['an exp in words', claimed({ exp: 'tomorrow' }), 'token_claim'],
    ['no serviceurl', claimed({ serviceurl: undefined }), 'token_claim'],
    ['an empty serviceurl', claimed({ serviceurl: '' }), 'token_claim'],
    [
      'serviceUrl as the documentation spells it',
      claimed({ serviceurl: undefined, serviceUrl: hello.serviceUrl }),
      'token_claim',
    ],
    ['an exp more than 300 s ago', claimed({ exp: at / 1000 - 301 }), 'token_expired'],
    ['an nbf more than 300 s ahead', claimed({ nbf: at / 1000 + 302 }), 'token_expired'],
    ['a key that is endorsed for nothing', signed(hello, { at, key: unendorsed }), 'token_sender'],
    ['a key endorsed for another channel', signed(hello, { at, key: forWebChat }), 'token_sender'],
    [
      'a service of somebody else',
      signed(said({ text: 'x', at, serviceUrl: 'https://attacker.example/' }), { at }),
      'token_sender',
    ],
    [
      'the serviceurl of another host',
      claimed({ serviceurl: 'https://smba.trafficmanager.net.attacker.example/teams/' }),
      'token_sender',
    ],
    [
      'the serviceurl of another region',
      claimed({ serviceurl: 'https://smba.trafficmanager.net/emea/' }),
      'token_sender',
    ],
    [
      'the serviceurl in other letters',
      claimed({ serviceurl: 'https://smba.trafficmanager.net/TEAMS/' }),
      'token_sender',
    ],
    ['a service URL put in on the way', signed(hello, { at, tamper: 'altered' }), 'token_sender'],
    [
      'no service URL',
      signed({ ...hello, serviceUrl: undefined }, { at, claims: { serviceurl: hello.serviceUrl } }),
      'token_sender',
    ],
    [
      'a service URL in a list',
      signed({ ...hello, serviceUrl: [hello.serviceUrl] }, { at, claims: { serviceurl: hello.serviceUrl } }),
      'token_sender',
    ],
    ['another channel', signed({ ...hello, channelId: 'webchat' }, { at }), 'token_sender'],
    ['no channel', signed({ ...hello, channelId: undefined }, { at }), 'token_sender'],
  ] as const)('with %s is refused and counted', async (_, request, reason) => {
    expect(await fate(request)).toBe(`403 rejected ${reason}`);
  });

  it.each([
    ['an exp 299 s ago', { exp: at / 1000 - 299 }],
    ['an nbf 300 s ahead', { nbf: at / 1000 + 300 }],
    ['no nbf', { nbf: undefined }],
    ['an iat, as Entra writes one', { iat: at / 1000 }],
  ])('is not a token with %s', async (_, claims) => {
    expect((await gate.post(claimed(claims))).status).toBe(202);
  });

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

  it('never makes the gate ask anybody but the configured issuer', async () => {
    const foreign = await startBotConnectorServer({ keys: [botKey] });
    for (const forgery of ['foreign-jku', 'foreign-x5u'] as const) {
      await gate.post(withToken(forgeToken(honest, botKey, forgery, foreign.keys.jwksUrl)));
    }
    expect(foreign.keys.requests()).toBe(0);
    await foreign.stop();
  });
});

describe('a rotated key', () => {
  it('is fetched when its id is new, and the old one goes on until the issuer drops it', async () => {
    const rotating = await startBotConnectorServer({ keys: [botKey] });
    const rotated = await open({ connector: rotating });
    expect((await rotated.post(signed(said({ text: 'one', at }), { at }))).status).toBe(202);
    const next = createSigningKey({ kid: 'next', endorsements: ['msteams'] });
    rotating.keys.publish([botKey, next]);
    clock.advance(60_000);
    for (const key of [next, botKey]) {
      const now = clock.now();
      expect((await rotated.post(signed(said({ text: 'two', at: now }), { at: now, key }))).status).toBe(202);
    }
    await rotating.stop();
  });
});
