import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
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
} from '../../src/testing/graph/signer.ts';
import { forgeToken, tokenForgeries } from '../../src/testing/keys/signing-key.ts';
import type { OpenFront } from '../support/fronts.ts';
import { type GraphFront, type GraphIssuer, openGraphFront, startGraphIssuer } from '../support/graph-front.ts';
import { CLIENT_STATE, certificate, olderCertificate } from '../support/graph-gate.ts';

/** Forgeries by somebody who knows a lot, but not everything: each is acknowledged, kept out, and counted by its reason. */
export function graphForgeries(name: string, openFront: OpenFront): void {
  describe(`Graph's forgeries on ${name}`, () => {
    let issuer: GraphIssuer;
    let front: GraphFront;
    beforeAll(async () => {
      issuer = await startGraphIssuer();
    });
    beforeEach(async () => {
      front = await openGraphFront(openFront, issuer);
    });
    afterEach(() => front.stop());
    afterAll(() => issuer.keys.stop());

    const send = async (items: readonly unknown[], tokens?: readonly unknown[], rest = ''): Promise<void> => {
      const response = await front.post(rest, graphDelivery(items, tokens as string[] | undefined));
      expect([response.status, await response.text()]).toEqual([202, '']);
    };

    let written = 0;

    const basic = (overrides: Partial<Parameters<typeof graphItem>[0]> = {}): GraphItem => {
      written += 1;
      const resource = `chats('19:abc@thread.v2')/messages('${written}')`;
      return graphItem({ tenantId: issuer.tenantId, clientState: CLIENT_STATE, resource, ...overrides });
    };

    /** The item of a rich notification, encrypted for our certificate. */
    const rich = (overrides: Partial<Parameters<typeof graphItem>[0]> = {}, by = certificate): GraphItem => {
      const content = graphChatMessage({ id: String(written + 1), text: 'hello', at: front.clock.now() });
      return basic({ encryptedContent: encryptGraphContent(content, by.publicKey, by.id), ...overrides });
    };

    const token = (overrides: Partial<GraphTokenOptions> = {}): string => {
      const { key, tenantId, clientId } = issuer;
      return signGraphToken({ key, tenantId, clientId, at: front.clock.now(), ...overrides });
    };

    describe('a rich notification', () => {
      it.each(['1.0', '2.0'] as const)('is accepted with a publisher token of version %s', async (version) => {
        await send([rich()], [token({ version })]);
        expect(await front.counts()).toEqual(['accepted']);
      });

      it('is quarantined without a token: whoever has the certificate can encrypt', async () => {
        await send([rich()]);
        await send([rich()], []);
        expect(await front.counts()).toEqual(['quarantined token_missing', 'quarantined token_missing']);
      });

      it.each<[string, Partial<GraphTokenOptions>, string]>([
        ['another audience', { claims: { aud: randomUUID() } }, 'token_audience'],
        ['several audiences', { claims: { aud: [randomUUID(), 'x'] } }, 'token_audience'],
        [
          'an issuer of another tenant',
          { claims: { iss: `https://sts.windows.net/${randomUUID()}/` } },
          'token_issuer',
        ],
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
        expect(await front.counts()).toEqual([`quarantined ${reason}`]);
        expect(await front.records()).toEqual([]);
      });

      it.each(tokenForgeries)('is quarantined with a token forged by %s', async (forgery) => {
        const { key, tenantId, clientId } = issuer;
        const claims = graphClaims({ tenantId, clientId, at: front.clock.now() });
        // The keys are known, so an unknown one is nobody's fault but the sender's.
        await send([rich()], [token()]);
        await send([rich()], [forgeToken(claims, key, forgery)]);
        const [honest, forged] = await front.counts();
        expect(honest).toBe('accepted');
        expect(forged).toMatch(/^quarantined token_(algorithm|key_unknown|signature_mismatch|malformed)$/);
      });

      it.each([
        ['tokens that are no list', 'token'],
        ['a token that is no text', [{}]],
        ['a token that is no token', ['a.b.c']],
      ])('is quarantined with %s', async (_, tokens) => {
        await front.post('', { body: JSON.stringify({ value: [rich()], validationTokens: tokens }) });
        expect(await front.counts()).toEqual(['quarantined token_malformed']);
      });

      it('makes everything beside it suspicious when one token is wrong', async () => {
        await send([rich(), basic()], [token(), token({ claims: { aud: randomUUID() } })]);
        expect(await front.counts()).toEqual(['quarantined token_audience', 'quarantined token_audience']);
        expect(await front.records()).toEqual([]);
      });

      it('is quarantined beside more tokens than items: Graph sends one a tenant and application', async () => {
        await send([rich()], [token(), token()]);
        expect(await front.counts()).toEqual(['quarantined token_malformed']);
      });

      it('costs nobody a signature who knows no secret: tokens are looked at after the items', async () => {
        const clientState = 'not-the-client-state';
        const asked = issuer.keys.requests();
        await send([rich({ clientState })], [token({ claims: { aud: randomUUID() } })]);
        expect(await front.counts()).toEqual(['quarantined client_state']);
        expect(issuer.keys.requests()).toBe(asked);
      });

      it('is read with the key its certificate id names, the old one as well as the new', async () => {
        await send([rich(), rich({}, olderCertificate)], [token()]);
        expect(await front.counts()).toEqual(['accepted', 'accepted']);
      });

      it('is quarantined when it names a certificate we never had, or the wrong one of ours', async () => {
        const { publicKey } = certificate;
        const named = (id: string): GraphItem =>
          rich({ encryptedContent: encryptGraphContent({ id: '1' }, publicKey, id) });
        await send([named('somebody-elses'), named(olderCertificate.id)], [token()]);
        expect(await front.counts()).toEqual(['quarantined unknown_certificate', 'quarantined undecryptable']);
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
        expect(await front.counts()).toEqual(['quarantined undecryptable']);
      });
    });

    describe('a batch', () => {
      it('that mixes good and forged items is taken item by item', async () => {
        const other = randomUUID();
        const items = [
          basic(),
          basic({ clientState: 'forged-client-state' }),
          rich(),
          basic({ tenantId: other }),
          basic(),
        ];
        await send(items);
        expect((await front.counts()).toSorted()).toEqual([
          'accepted',
          'accepted',
          'quarantined client_state',
          'quarantined other_tenant',
          'quarantined token_missing',
        ]);
        expect(await front.records()).toHaveLength(2);
      });

      it('that mixes tenants is taken for ours alone, though tokens cover each of them', async () => {
        const other = randomUUID();
        const theirs = token({ tenantId: other });
        await send([rich({ tenantId: other }), rich()], [theirs, token()]);
        expect((await front.counts()).toSorted()).toEqual(['accepted', 'quarantined other_tenant']);
        // A token of another tenant covers nothing of ours.
        await send([rich(), rich()], [theirs]);
        expect(await front.counts()).toEqual(['quarantined token_missing', 'quarantined token_missing']);
      });
    });

    describe('the secret of a kept subscription', () => {
      const at = (resource: string) => {
        const nonce = front.states.nonceOf('default', resource, 'created');
        return { nonce, clientState: front.states.stateOf('default', nonce) };
      };

      it('is good on its own URL, before anybody has stored anything of the subscription', async () => {
        const { nonce, clientState } = at('users/a@example.com/messages');
        expect(clientState).toMatch(/^v1\.[A-Za-z0-9_-]{43}$/);
        await send([basic({ clientState })], undefined, `/${nonce}`);
        await send([basic({ clientState })], undefined, `/lifecycle/${nonce}`);
        expect(await front.counts()).toEqual(['accepted', 'accepted']);
      });

      it('is worth nothing on the URL of another subscription, without a nonce, or for another tenant', async () => {
        const [a, b] = [at('users/a@example.com/messages'), at('users/b@example.com/messages')];
        await send([basic({ clientState: a.clientState })], undefined, `/${b.nonce}`);
        await send([basic({ clientState: a.clientState })]);
        await send([basic({ clientState: front.states.stateOf('acme', a.nonce) })], undefined, `/${a.nonce}`);
        expect(await front.counts()).toEqual(Array(3).fill('quarantined client_state'));
      });

      it('cannot be replaced by the hand-made one', async () => {
        await send([basic()], undefined, `/${at('users/a@example.com/messages').nonce}`);
        expect(await front.counts()).toEqual(['quarantined client_state']);
      });

      it.each([
        ['none', undefined],
        ['an empty one', ''],
        ['a number', 7],
        ['a very long one', 'x'.repeat(100_000)],
      ])('cannot be guessed with %s', async (_, clientState) => {
        await send([{ ...basic(), clientState }]);
        expect(await front.counts()).toEqual(['quarantined client_state']);
      });
    });

    describe('a forged lifecycle notification', () => {
      const lifecycleEvents = ['reauthorizationRequired', 'subscriptionRemoved', 'missed'] as const;
      const nonceOf = (mailbox: string): string =>
        front.states.nonceOf('default', `users/${mailbox}/messages`, 'created,updated');
      const honestOf = (nonce: string) => ({
        subscriptionId: '7f105c7d-2dc5-4530-97cd-4e7ae6534c07',
        tenantId: issuer.tenantId,
        clientState: front.states.stateOf('default', nonce),
      });

      it.each(lifecycleEvents)('%s is quarantined, whatever is wrong with it', async (event) => {
        const [nonce, other] = [nonceOf('agent@example.com'), nonceOf('other@example.com')];
        const honest = honestOf(nonce);
        const { clientState: _, ...stateless } = honest;
        const { tenantId: __, ...homeless } = honest;
        const forged: [string, object][] = [
          ['client_state', stateless],
          ['client_state', { ...honest, clientState: '' }],
          ['client_state', { ...honest, clientState: null }],
          ['client_state', { ...honest, clientState: [honest.clientState] }],
          ['client_state', { ...honest, clientState: honest.clientState.slice(0, -1) }],
          ['client_state', { ...honest, clientState: CLIENT_STATE }],
          ['client_state', { ...honest, clientState: front.states.stateOf('default', other) }],
          ['client_state', { ...honest, clientState: front.states.stateOf('acme', nonce) }],
          ['other_tenant', { ...honest, tenantId: randomUUID() }],
          ['other_tenant', homeless],
        ];
        for (const [reason, item] of forged) {
          for (const rest of [`/lifecycle/${nonce}`, `/${nonce}`]) {
            await send([{ ...item, lifecycleEvent: event }], undefined, rest);
            expect(await front.counts(), JSON.stringify(item)).toEqual([`quarantined ${reason}`]);
          }
        }
        for (const rest of ['/lifecycle', '', `/lifecycle/${other}`, `/${other}`, `/lifecycle/${'A'.repeat(22)}`]) {
          await send([{ ...honest, lifecycleEvent: event }], undefined, rest);
          expect(await front.counts(), rest).toEqual(['quarantined client_state']);
        }
        expect(await front.records()).toEqual([]);
        await send([{ ...honest, lifecycleEvent: event }], undefined, `/lifecycle/${nonce}`);
        expect(await front.records()).toMatchObject([{ event: { kind: 'lifecycle' } }]);
      });
    });
  });
}
