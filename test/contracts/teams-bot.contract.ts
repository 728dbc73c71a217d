import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSigningKey, forgeToken, tokenForgeries } from '../../src/testing/keys/signing-key.ts';
import { type BotConnectorServer, startBotConnectorServer } from '../../src/testing/teams/bot-connector-server.ts';
import { type SignedTeamsRequest, teamsClaims, teamsRequest } from '../../src/testing/teams/signer.ts';
import { createFakeClock } from '../support/clock.ts';
import type { Front, OpenFront } from '../support/fronts.ts';
import { APP_ID, botKey, said, signed } from '../support/teams.ts';

const unendorsed = createSigningKey({ kid: 'unendorsed' });
const forWebChat = createSigningKey({ kid: 'web-chat', endorsements: ['webchat'] });

/** Activities of the Bot connector and their forgeries, whatever runs the front door. */
export function teamsBot(name: string, openFront: OpenFront): void {
  describe(`Teams' activities on ${name}`, () => {
    const clock = createFakeClock();
    const at = clock.now();
    let connector: BotConnectorServer;
    let front: Front;
    const open = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
      front = await openFront({
        clock: clock.now,
        settings: {
          TEAMS_APP_ID: APP_ID,
          TEAMS_OPENID_URL: connector.keys.openidUrl,
          // The runtime reads 64 KiB of a body that nothing asked for before it resets the connection.
          SALLYPORT_BODY_LIMIT: '16KiB',
          ...settings,
        },
      });
    };
    const reopen = async (settings?: Readonly<Record<string, string>>): Promise<void> => {
      await front.stop();
      await open(settings);
    };
    beforeAll(async () => {
      connector = await startBotConnectorServer({ keys: [botKey, unendorsed, forWebChat] });
      await open();
    });
    afterAll(async () => {
      await front.stop();
      await connector.stop();
    });

    const hello = said({ text: 'hello', at });
    const withToken = (token: string, activity: object = hello): SignedTeamsRequest =>
      teamsRequest(JSON.stringify(activity), `Bearer ${token}`);
    const claimed = (claims: object): SignedTeamsRequest => signed(hello, { at, claims: { ...claims } });
    const bearerOf = ({ headers }: SignedTeamsRequest): string => headers.authorization ?? '';

    async function post(
      { headers, body }: SignedTeamsRequest,
      { path = '/hooks/teams/default', source }: { readonly path?: string; readonly source?: string } = {},
    ) {
      const sent = { ...headers, ...(source !== undefined && { 'cf-connecting-ip': source }) };
      const response = await front.request(
        new Request(`http://gate.test${path}`, { method: 'POST', headers: sent, body: new Uint8Array(body) }),
      );
      return {
        status: response.status,
        outcome: response.headers.get('x-sallyport-outcome'),
        eventId: response.headers.get('x-sallyport-event'),
        headers: response.headers,
      };
    }

    /** The status and the reason that the delivery was counted with. */
    async function fate(request: SignedTeamsRequest): Promise<string> {
      const { status, outcome, eventId } = await post(request);
      // Whoever failed to prove himself learns a status and nothing else.
      if (status === 403) expect([outcome, eventId]).toEqual([null, null]);
      return [status, ...(await front.counts())].join(' ');
    }

    describe('an activity', () => {
      it('is accepted, a duplicate when it comes again with a fresh token, and a conflict with other words', async () => {
        const activity = said({ text: 'hello', at });
        expect(await fate(signed(activity, { at }))).toBe('202 accepted');
        const again = signed({ ...activity, timestamp: '2030-03-17T17:46:41Z' }, { at: at + 15_000 });
        expect(await fate(again)).toBe('202 duplicate');
        expect(await fate(signed({ ...activity, text: 'pay Mallory' }, { at }))).toBe('202 conflict');
        const [event, conflict] = (await front.records()).toSorted((a, b) => b.deliveries - a.deliveries);
        expect(event).toMatchObject({ state: 'queued', deliveries: 2, event: { text: 'hello' } });
        expect(event?.event.destination).toEqual({ via: 'message' });
        expect(Object.keys(event?.event.sealed ?? {})).toEqual(['conversation_reference']);
        expect(JSON.stringify(event)).not.toContain('smba.trafficmanager.net');
        expect(conflict).toMatchObject({ state: 'conflict', runs: [] });
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
        [
          'an empty conversation',
          signed({ ...hello, conversation: { id: '' } }, { at }),
          '400 rejected body_unparsable',
        ],
        [
          'a body over the limit',
          signed({ ...hello, text: 'x'.repeat(16 * 1024) }, { at }),
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
        const request = { ...signed({ ...hello, text: 'x'.repeat(16 * 1024) }, { at }), headers: {} };
        expect(await fate(request)).toBe('403 rejected token_missing');
      });

      it('GET is 405', async () => {
        const response = await front.request(new Request('http://gate.test/hooks/teams/default'));
        expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
      });

      it.each(['/hooks/teams/other', '/hooks/teams/default/else'])('%s is 404', async (path) => {
        expect((await post(signed(hello, { at }), { path })).status).toBe(404);
      });

      it('503 when the keys cannot be had and none are known', async () => {
        const silent = await startBotConnectorServer({ keys: [botKey] });
        silent.keys.behave('error');
        await reopen({ TEAMS_OPENID_URL: silent.keys.openidUrl });
        expect(await fate(signed(hello, { at }))).toBe('503 unavailable keys_unavailable');
        await silent.stop();
        await reopen();
      });

      it('429 for a source that fails its proof too often; what is authentic is still taken', async () => {
        await reopen({ SALLYPORT_FAILURES_PER_MINUTE: '2' });
        const source = '203.0.113.9';
        const forged = () => post(withToken('a.b.c'), { source });
        expect([(await forged()).status, (await forged()).status]).toEqual([403, 403]);
        const over = await forged();
        expect([over.status, over.headers.get('retry-after')]).toEqual([429, '5']);
        expect((await post(signed(hello, { at }), { source })).status).toBe(202);
        await reopen();
      });
    });

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
        expect((await post(claimed(claims))).status).toBe(202);
      });

      it('never makes the gate ask anybody but the configured issuer', async () => {
        const foreign = await startBotConnectorServer({ keys: [botKey] });
        for (const forgery of ['foreign-jku', 'foreign-x5u'] as const) {
          await post(withToken(forgeToken(honest, botKey, forgery, foreign.keys.jwksUrl)));
        }
        expect(foreign.keys.requests()).toBe(0);
        await foreign.stop();
      });
    });

    describe('a rotated key', () => {
      it('is fetched when its id is new, and the old one goes on until the issuer drops it', async () => {
        const rotating = await startBotConnectorServer({ keys: [botKey] });
        await reopen({ TEAMS_OPENID_URL: rotating.keys.openidUrl });
        expect((await post(signed(said({ text: 'one', at }), { at }))).status).toBe(202);
        const next = createSigningKey({ kid: 'next', endorsements: ['msteams'] });
        rotating.keys.publish([botKey, next]);
        clock.advance(60_000);
        for (const key of [next, botKey]) {
          const now = clock.now();
          expect((await post(signed(said({ text: 'two', at: now }), { at: now, key }))).status).toBe(202);
        }
        await rotating.stop();
      });
    });
  });
}
