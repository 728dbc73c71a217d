import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentMeter } from '../../../src/core/meter.ts';
import {
  encryptGraphContent,
  GRAPH_PUBLISHER,
  type GraphItem,
  type GraphTokenOptions,
  graphChatMessage,
  graphClaims,
  graphDelivery,
  graphItem,
  signGraphToken,
} from '../../../src/testing/graph/signer.ts';
import { forgeToken, tokenForgeries } from '../../../src/testing/keys/signing-key.ts';
import {
  CLIENT_STATE,
  certificate,
  type GraphGate,
  olderCertificate,
  openGraphGate,
} from '../../support/graph-gate.ts';

/** Who knows a lot, but not everything. Each forgery is acknowledged like the truth, kept out, and counted by its reason. */

let gate: GraphGate;
let counts: string[];
beforeEach(async () => {
  counts = [];
  const delivery = (_channel: string, outcome: string, reason: string): void =>
    void counts.push(`${outcome} ${reason}`.trim());
  gate = await openGraphGate({ meter: { ...silentMeter, delivery } });
});
afterEach(() => gate.stop());

const send = async (items: readonly unknown[], tokens?: readonly unknown[], rest = ''): Promise<void> => {
  const response = await gate.post(rest, graphDelivery(items, tokens as string[] | undefined));
  expect([response.status, await response.text()]).toEqual([202, '']);
};

let written = 0;

const basic = (overrides: Partial<Parameters<typeof graphItem>[0]> = {}): GraphItem => {
  written += 1;
  const resource = `chats('19:abc@thread.v2')/messages('${written}')`;
  return graphItem({ tenantId: gate.graph.tenantId, clientState: CLIENT_STATE, resource, ...overrides });
};

/** The item of a rich notification, encrypted for our certificate. */
const rich = (overrides: Partial<Parameters<typeof graphItem>[0]> = {}, by = certificate): GraphItem => {
  const content = graphChatMessage({ id: String(written + 1), text: 'hello', at: gate.clock.now() });
  return basic({ encryptedContent: encryptGraphContent(content, by.publicKey, by.id), ...overrides });
};

const token = (overrides: Partial<GraphTokenOptions> = {}): string => {
  const { key, tenantId, clientId } = gate.graph;
  return signGraphToken({ key, tenantId, clientId, at: gate.clock.now(), ...overrides });
};

describe('a rich notification', () => {
  it.each(['1.0', '2.0'] as const)('is accepted with a publisher token of version %s', async (version) => {
    await send([rich()], [token({ version })]);
    expect(counts).toEqual(['accepted']);
  });

  it('is quarantined without a token: whoever has the certificate can encrypt', async () => {
    await send([rich()]);
    await send([rich()], []);
    expect(counts).toEqual(['quarantined token_missing', 'quarantined token_missing']);
  });

  it.each<[string, Partial<GraphTokenOptions>, string]>([
    ['another audience', { claims: { aud: randomUUID() } }, 'token_audience'],
    ['several audiences', { claims: { aud: [randomUUID(), 'x'] } }, 'token_audience'],
    ['an issuer of another tenant', { claims: { iss: `https://sts.windows.net/${randomUUID()}/` } }, 'token_issuer'],
    ['an issuer that is not Entra', { claims: { iss: 'https://login.attacker.example/v2.0' } }, 'token_issuer'],
    ['the issuer of the other version', { claims: { ver: '2.0', azp: GRAPH_PUBLISHER } }, 'token_issuer'],
    ['no tenant', { claims: { tid: undefined } }, 'token_claim'],
    ['no end', { claims: { exp: undefined } }, 'token_claim'],
    ['an unknown version', { claims: { ver: '3.0' } }, 'token_claim'],
    ['another publisher', { claims: { appid: randomUUID() } }, 'token_sender'],
    ['no publisher', { claims: { appid: undefined } }, 'token_sender'],
    [
      'the publisher in the claim of the other version',
      { claims: { appid: randomUUID(), azp: GRAPH_PUBLISHER } },
      'token_sender',
    ],
    [
      'the same the other way round',
      { version: '2.0', claims: { azp: randomUUID(), appid: GRAPH_PUBLISHER } },
      'token_sender',
    ],
    ['a time that is over', { tamper: 'stale' }, 'token_expired'],
    ['a time to come', { tamper: 'future' }, 'token_expired'],
    ['a signature of somebody else', { tamper: 'wrong-key' }, 'token_signature_mismatch'],
  ])('is quarantined when its token has %s', async (_, overrides, reason) => {
    await send([rich()], [token(overrides)]);
    expect(counts).toEqual([`quarantined ${reason}`]);
    expect(await gate.events()).toEqual([]);
  });

  it.each(tokenForgeries)('is quarantined with a token forged by %s', async (forgery) => {
    const { key, tenantId, clientId } = gate.graph;
    const claims = graphClaims({ tenantId, clientId, at: gate.clock.now() });
    // The keys are known, so an unknown one is nobody's fault but the sender's.
    await send([rich()], [token()]);
    await send([rich()], [forgeToken(claims, key, forgery)]);
    expect(counts[0]).toBe('accepted');
    expect(counts[1]).toMatch(/^quarantined token_(algorithm|key_unknown|signature_mismatch|malformed)$/);
  });

  it.each([
    ['tokens that are no list', 'token'],
    ['a token that is no text', [{}]],
    ['a token that is no token', ['a.b.c']],
  ])('is quarantined with %s', async (_, tokens) => {
    await gate.post('', { body: JSON.stringify({ value: [rich()], validationTokens: tokens }) });
    expect(counts).toEqual(['quarantined token_malformed']);
  });

  it('makes everything beside it suspicious when one token is wrong', async () => {
    await send([rich(), basic()], [token(), token({ claims: { aud: randomUUID() } })]);
    expect(counts).toEqual(['quarantined token_audience', 'quarantined token_audience']);
    expect(await gate.events()).toEqual([]);
  });

  it('is quarantined beside more tokens than items: Graph sends one a tenant and application', async () => {
    await send([rich()], [token(), token()]);
    expect(counts).toEqual(['quarantined token_malformed']);
  });

  it('costs nobody a signature who knows no secret: tokens are looked at after the items', async () => {
    const clientState = 'not-the-client-state';
    await send([rich({ clientState })], [token({ claims: { aud: randomUUID() } })]);
    expect(counts).toEqual(['quarantined client_state']);
    expect(gate.graph.calls).toEqual([]);
  });

  it('is read with the key its certificate id names, the old one as well as the new', async () => {
    await send([rich(), rich({}, olderCertificate)], [token()]);
    expect(counts).toEqual(['accepted', 'accepted']);
  });

  it('is quarantined when it names a certificate we never had, or the wrong one of ours', async () => {
    const { publicKey } = certificate;
    const named = (id: string): GraphItem =>
      rich({ encryptedContent: encryptGraphContent({ id: '1' }, publicKey, id) });
    await send([named('somebody-elses'), named(olderCertificate.id)], [token()]);
    expect(counts).toEqual(['quarantined unknown_certificate', 'quarantined undecryptable']);
  });

  it.each<[string, (content: ReturnType<typeof encryptGraphContent>) => object]>([
    ['its data changed', (content) => ({ ...content, data: `AAAA${content.data.slice(4)}` })],
    ['another signature', (content) => ({ ...content, dataSignature: Buffer.alloc(32, 1).toString('base64') })],
    ['a signature that is none', (content) => ({ ...content, dataSignature: '!' })],
    ['its key cut short', (content) => ({ ...content, dataKey: content.dataKey.slice(0, 40) })],
    ['a part missing', ({ dataKey, data }) => ({ dataKey, data, encryptionCertificateId: certificate.id })],
    ['no object inside', () => encryptGraphContent('text', certificate.publicKey, certificate.id)],
    ['nothing but a word', () => ({ encrypted: true })],
  ])('is quarantined with %s', async (_, spoil) => {
    const content = encryptGraphContent({ id: '1' }, certificate.publicKey, certificate.id);
    await send([basic({ encryptedContent: spoil(content) as never })], [token()]);
    expect(counts).toEqual(['quarantined undecryptable']);
  });
});

describe('a batch', () => {
  it('that mixes good and forged items is taken item by item', async () => {
    const other = randomUUID();
    const items = [basic(), basic({ clientState: 'forged-client-state' }), rich(), basic({ tenantId: other }), basic()];
    await send(items);
    expect(counts.toSorted()).toEqual([
      'accepted',
      'accepted',
      'quarantined client_state',
      'quarantined other_tenant',
      'quarantined token_missing',
    ]);
    expect(await gate.events()).toHaveLength(2);
  });

  it('that mixes tenants is taken for ours alone, though tokens cover each of them', async () => {
    const other = randomUUID();
    const theirs = token({ tenantId: other });
    await send([rich({ tenantId: other }), rich()], [theirs, token()]);
    expect(counts.toSorted()).toEqual(['accepted', 'quarantined other_tenant']);
    // A token of another tenant covers nothing of ours.
    await send([rich(), rich()], [theirs]);
    expect(counts.slice(2)).toEqual(['quarantined token_missing', 'quarantined token_missing']);
  });
});

describe('the secret of a kept subscription', () => {
  const at = (resource: string) => {
    const nonce = gate.states.nonceOf('default', resource, 'created');
    return { nonce, clientState: gate.states.stateOf('default', nonce) };
  };

  it('is good on its own URL, before anybody has stored anything of the subscription', async () => {
    const { nonce, clientState } = at('users/a@example.com/messages');
    expect(clientState).toMatch(/^v1\.[A-Za-z0-9_-]{43}$/);
    await send([basic({ clientState })], undefined, `/${nonce}`);
    await send([basic({ clientState })], undefined, `/lifecycle/${nonce}`);
    expect(counts).toEqual(['accepted', 'accepted']);
  });

  it('is worth nothing on the URL of another subscription, without a nonce, or for another tenant', async () => {
    const [a, b] = [at('users/a@example.com/messages'), at('users/b@example.com/messages')];
    await send([basic({ clientState: a.clientState })], undefined, `/${b.nonce}`);
    await send([basic({ clientState: a.clientState })]);
    await send([basic({ clientState: gate.states.stateOf('acme', a.nonce) })], undefined, `/${a.nonce}`);
    expect(counts).toEqual(Array(3).fill('quarantined client_state'));
  });

  it('cannot be replaced by the hand-made one', async () => {
    await send([basic()], undefined, `/${at('users/a@example.com/messages').nonce}`);
    expect(counts).toEqual(['quarantined client_state']);
  });

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['a number', 7],
    ['a very long one', 'x'.repeat(100_000)],
  ])('cannot be guessed with %s', async (_, clientState) => {
    await send([{ ...basic(), clientState }]);
    expect(counts).toEqual(['quarantined client_state']);
  });
});

describe('a forged lifecycle notification', () => {
  const RESOURCE = 'users/agent@example.com/messages';
  const lifecycleEvents = ['reauthorizationRequired', 'subscriptionRemoved', 'missed'] as const;

  /** A gate that keeps a subscription, and mail it was not told of: whoever is believed has Graph asked for it. */
  async function openKeeping() {
    await gate.stop();
    counts = [];
    const delivery = (_channel: string, outcome: string, reason: string): void =>
      void counts.push(`${outcome} ${reason}`.trim());
    const isQuiet = { disturb: (item: GraphItem) => (item.lifecycleEvent ? {} : { copies: 0 }) };
    gate = await openGraphGate({ keep: [RESOURCE], graph: isQuiet, meter: { ...silentMeter, delivery } });
    await gate.keep();
    gate.clock.advance(60_000);
    gate.graph.mail('agent@example.com', { text: 'missed' });
    gate.clock.advance(60_000);
    counts = [];
    const nonce = gate.states.nonceOf('default', RESOURCE, 'created,updated');
    const [subscription] = gate.graph.subscriptions();
    if (subscription === undefined) throw new Error('there is no subscription');
    const honest = {
      subscriptionId: subscription.id,
      subscriptionExpirationDateTime: new Date(subscription.expiresAt).toISOString(),
      tenantId: gate.graph.tenantId,
      clientState: gate.states.stateOf('default', nonce),
    };
    return { nonce, honest };
  }

  it.each(lifecycleEvents)(
    '%s is quarantined and causes no call of Graph, whatever is wrong with it',
    async (event) => {
      const { nonce, honest } = await openKeeping();
      const other = gate.states.nonceOf('default', 'users/other@example.com/messages', 'created,updated');
      const { clientState: _, ...stateless } = honest;
      const { tenantId: __, ...homeless } = honest;
      const forged: [string, object][] = [
        ['client_state', stateless],
        ['client_state', { ...honest, clientState: '' }],
        ['client_state', { ...honest, clientState: null }],
        ['client_state', { ...honest, clientState: 'guessed' }],
        ['client_state', { ...honest, clientState: [honest.clientState] }],
        ['client_state', { ...honest, clientState: honest.clientState.slice(0, -1) }],
        ['client_state', { ...honest, clientState: CLIENT_STATE }],
        ['client_state', { ...honest, clientState: gate.states.stateOf('default', other) }],
        ['client_state', { ...honest, clientState: gate.states.stateOf('acme', nonce) }],
        ['other_tenant', { ...honest, tenantId: randomUUID() }],
        ['other_tenant', { ...honest, tenantId: null }],
        ['other_tenant', homeless],
      ];
      const asked = gate.graph.calls.length;
      for (const [reason, item] of forged) {
        for (const rest of [`/lifecycle/${nonce}`, `/${nonce}`]) {
          counts = [];
          await send([{ ...item, lifecycleEvent: event }], undefined, rest);
          expect(counts, JSON.stringify(item)).toEqual([`quarantined ${reason}`]);
        }
      }
      // The secret of the subscription, on every URL but its own; a hand-made one's opens none of ours.
      for (const rest of ['/lifecycle', '', `/lifecycle/${other}`, `/${other}`, `/lifecycle/${'A'.repeat(22)}`]) {
        counts = [];
        await send([{ ...honest, lifecycleEvent: event }], undefined, rest);
        expect(counts, rest).toEqual(['quarantined client_state']);
      }
      expect(await gate.events()).toEqual([]);
      await gate.work();
      expect(gate.graph.calls.slice(asked)).toEqual([]);

      await send([{ ...honest, lifecycleEvent: event }], undefined, `/lifecycle/${nonce}`);
      expect(counts.at(-1)).toBe('accepted');
      gate.clock.advance(15 * 60_000);
      await gate.work();
      expect(gate.graph.calls.length).toBeGreaterThan(asked);
    },
  );

  it.each(lifecycleEvents)('%s is quarantined beside a validation token that is not for us', async (event) => {
    const { nonce, honest } = await openKeeping();
    const item = { ...honest, lifecycleEvent: event };
    const tokens: [string, unknown][] = [
      ['token_audience', [token({ claims: { aud: randomUUID() } })]],
      ['token_sender', [token({ claims: { appid: randomUUID() } })]],
      ['token_signature_mismatch', [token({ tamper: 'wrong-key' })]],
      ['token_expired', [token({ tamper: 'stale' })]],
      ['token_malformed', ['a.b.c']],
      ['token_malformed', [token(), token()]],
    ];
    for (const [reason, validationTokens] of tokens) {
      counts = [];
      await gate.post(`/lifecycle/${nonce}`, { body: JSON.stringify({ value: [item], validationTokens }) });
      expect(counts).toEqual([`quarantined ${reason}`]);
    }
    const asked = gate.graph.calls.length;
    await gate.work();
    expect([await gate.events(), gate.graph.calls.length]).toEqual([[], asked]);
  });

  it('beside an honest one is taken apart from it', async () => {
    const { nonce, honest } = await openKeeping();
    const items = ['subscriptionRemoved', 'missed', 'reauthorizationRequired'].map((lifecycleEvent, at) => ({
      ...honest,
      ...(at === 1 ? {} : { clientState: 'guessed' }),
      lifecycleEvent,
    }));
    await send(items, undefined, `/lifecycle/${nonce}`);
    expect(counts.toSorted()).toEqual(['accepted', 'quarantined client_state', 'quarantined client_state']);
    expect((await gate.events()).map(({ event }) => event.payload)).toMatchObject([{ lifecycleEvent: 'missed' }]);
  });
});
