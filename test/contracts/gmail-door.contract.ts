import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { pushClaimForgeries, pushClaims } from '../../src/testing/gmail/google-signer.ts';
import { startPushDeliveries } from '../../src/testing/gmail/pubsub-deliveries.ts';
import { gmailPush, isAcknowledged, type PushRequest, withToken } from '../../src/testing/gmail/pubsub-sender.ts';
import { type KeyServer, startKeyServer } from '../../src/testing/keys/key-server.ts';
import { signToken, tokenForgeries } from '../../src/testing/keys/signing-key.ts';
import { expiredGoogleToken, helloWorldPush, numberData, officialPush } from '../fixtures/gmail-pushes.ts';
import { createFakeClock } from '../support/clock.ts';
import type { Front, OpenFront } from '../support/fronts.ts';
import { AUDIENCE, googleKey, MAILBOX, pushAt, SERVICE_ACCOUNT, SUBSCRIPTION, tokenAt } from '../support/gmail.ts';

const HOOK = 'http://gate.example/hooks/gmail/default';

const reasons: Readonly<Record<string, string>> = {
  'alg-none': 'token_algorithm',
  'hs256-public-key': 'token_algorithm',
  'unknown-kid': 'token_key_unknown',
  'colliding-kid': 'token_signature_mismatch',
  'embedded-jwk': 'token_signature_mismatch',
  'foreign-jku': 'token_signature_mismatch',
  'foreign-x5u': 'token_signature_mismatch',
  'altered-claims': 'token_signature_mismatch',
  'no-kid': 'token_malformed',
  'other-audience': 'token_audience',
  'other-account': 'token_sender',
  'unverified-email': 'token_sender',
  'email-verified-as-text': 'token_sender',
  'email-verified-missing': 'token_claim',
  'exp-missing': 'token_claim',
  'iat-missing': 'token_claim',
  expired: 'token_expired',
  'from-the-future': 'token_expired',
  'other-issuer': 'token_issuer',
};

/** Pushes of Gmail and their forgeries, whatever runs the front door. */
export function gmailDoor(name: string, openFront: OpenFront): void {
  describe(`Gmail's pushes on ${name}`, () => {
    const { now, advance } = createFakeClock();
    let keys: KeyServer;
    let front: Front;

    const open = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
      front = await openFront({
        clock: now,
        settings: {
          GMAIL_PUSH_AUDIENCE: AUDIENCE,
          GMAIL_PUSH_SERVICE_ACCOUNT: SERVICE_ACCOUNT,
          GMAIL_PUSH_SUBSCRIPTION: SUBSCRIPTION,
          GMAIL_MAILBOXES: MAILBOX,
          GOOGLE_JWKS_URL: keys.jwksUrl,
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
      keys = await startKeyServer([googleKey]);
    });
    afterAll(() => keys.stop());
    beforeEach(() => open());
    afterEach(async () => {
      keys.behave('ok');
      await front.stop();
    });

    const json = (value: unknown, headers: Record<string, string> = {}): PushRequest =>
      raw(JSON.stringify(value), headers);
    const raw = (body: string, headers: Record<string, string> = {}): PushRequest =>
      withToken({ method: 'POST', headers, body: Buffer.from(body) }, tokenAt(now()));

    async function deliver({ headers, body }: Pick<PushRequest, 'headers' | 'body'>) {
      const response = await front.request(new Request(HOOK, { method: 'POST', headers, body: new Uint8Array(body) }));
      return {
        status: response.status,
        outcome: response.headers.get('x-sallyport-outcome'),
        eventId: response.headers.get('x-sallyport-event'),
      };
    }

    /** What the accepted push says, as the worker will read it. */
    async function hintOf(request: PushRequest): Promise<unknown> {
      const { status, outcome, eventId } = await deliver(request);
      expect([status, outcome]).toEqual([204, 'accepted']);
      return (await front.records()).find(({ event: { id } }) => id === eventId)?.event.payload;
    }

    test('fifty pushes at once ask for the keys once', async () => {
      const asked = keys.requests();
      const pushes = Array.from({ length: 50 }, (_, at) => pushAt(now(), { messageId: String(at) }));
      const answers = await Promise.all(pushes.map((push) => deliver(push)));
      expect(new Set(answers.map(({ status, outcome }) => `${status} ${outcome}`))).toEqual(new Set(['204 accepted']));
      expect(keys.requests()).toBe(asked + 1);
      expect(await front.records()).toHaveLength(50);
    });

    test('of fifty copies of a push at once one is accepted', async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => deliver(pushAt(now(), { messageId: '1' }))));
      expect(answers.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(1);
      expect(answers.filter(({ outcome }) => outcome === 'duplicate')).toHaveLength(49);
      expect(await front.records()).toMatchObject([{ state: 'queued' }]);
    });

    describe('a push that is what it claims to be', () => {
      test('is taken with 204 and recorded as a hint about its mailbox', async () => {
        const { eventId, ...answer } = await deliver(json(officialPush));
        expect(answer).toMatchObject({ status: 204, outcome: 'accepted' });
        const { event } = (await front.records()).find(({ event: { id } }) => id === eventId) ?? {};
        expect(event).toMatchObject({ kind: 'push', channel: 'gmail', text: '', conversation: { name: MAILBOX } });
        expect(event?.payload).toEqual({ mailbox: MAILBOX, historyId: '1234567890', publishedAt: 1614366835749 });
        expect(await front.counts()).toEqual(['accepted']);
      });

      test('may hold a history id as text or as a number, below 2^53 and above, in both alphabets, wrapped or not', async () => {
        const big = '18446744073709551615';
        const forms = [
          [{}, '1710'],
          [{ historyIdAs: 'text' }, '1710'],
          [{ historyId: big }, big],
          [{ historyId: big, historyIdAs: 'text', encoding: 'base64url' }, big],
          [{ historyId: '007', historyIdAs: 'text' }, '7'],
          [{ historyId: big, form: 'unwrapped' }, big],
          [{ mailbox: 'User@Example.COM' }, '1710'],
        ] as const;
        for (const [overrides, historyId] of forms) {
          expect(await hintOf(pushAt(now(), overrides))).toEqual({ mailbox: MAILBOX, historyId, publishedAt: now() });
        }
      });

      test('is a duplicate when its Pub/Sub id comes again, and another push under another id', async () => {
        const first = { messageId: '2070443601311540' };
        await deliver(pushAt(now(), first));
        const again = await deliver(pushAt(now(), { ...first, deliveryAttempt: 2 }));
        expect(again).toMatchObject({ status: 204, outcome: 'duplicate' });
        expect(await deliver(pushAt(now(), { ...first, form: 'unwrapped' }))).toMatchObject({ outcome: 'duplicate' });
        expect(await deliver(pushAt(now()))).toMatchObject({ outcome: 'accepted' });
      });

      test('is a conflict, and taken, when the same Pub/Sub id says something else', async () => {
        await deliver(pushAt(now(), { messageId: '1' }));
        const answer = await deliver(pushAt(now(), { messageId: '1', historyId: '1711' }));
        expect(answer).toMatchObject({ status: 204, outcome: 'conflict' });
      });

      test('may use a token for as long as it is good: Pub/Sub does for up to an hour', async () => {
        const token = tokenAt(now());
        const push = () =>
          withToken(gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1', at: now() }), token);
        advance(59 * 60_000);
        expect((await deliver(push())).status).toBe(204);
        // A minute is forgiven for clocks that differ.
        advance(2 * 60_000 - 1_000);
        expect((await deliver(push())).status).toBe(204);
        advance(1_000);
        expect((await deliver(push())).status).toBe(401);
      });
    });

    describe('a push by another account', () => {
      const [name = '', domain = ''] = SERVICE_ACCOUNT.split('@');
      const claims = pushClaims({ audience: AUDIENCE, serviceAccount: SERVICE_ACCOUNT, at: now() });
      const pushWith = (overrides: object) => {
        const push = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1', at: now() });
        const issuedAt = Math.floor(now() / 1000);
        return withToken(push, signToken({ ...claims, iat: issuedAt, exp: issuedAt + 3_600, ...overrides }, googleKey));
      };

      test.each([
        ['of the same project', `other@${domain}`],
        ['of the same project, whose name ends like ours', `my${SERVICE_ACCOUNT}`],
        ['of the same project, whose name begins like ours', `${name}er@${domain}`],
        ['of the same project, with a tag', `${name}+x@${domain}`],
        ['of another project', `${name}@other-project.iam.gserviceaccount.com`],
        ['of a domain that begins like ours', `${SERVICE_ACCOUNT}.attacker.example`],
        ['of a domain that ends like ours', `${name}@attacker.example.${domain}`],
        ['in capitals', SERVICE_ACCOUNT.toUpperCase()],
        ['with white space', ` ${SERVICE_ACCOUNT} `],
        ['with a line break behind it', `${SERVICE_ACCOUNT}\n`],
        ['beside ours', `${SERVICE_ACCOUNT},other@${domain}`],
        ['of the domain alone', `@${domain}`],
        ['without a name', ''],
      ])('%s is refused, although Google signed it for our audience', async (_, email) => {
        expect(await deliver(pushWith({ email }))).toMatchObject({ status: 401, outcome: null });
        expect(await front.counts()).toEqual(['rejected token_sender']);
        expect((await deliver(pushWith({}))).status).toBe(204);
      });

      test.each([[false], ['true'], ['false'], [1], [0], [null], [[true]], [{}], ['']])(
        'is what ours is taken for when its e-mail is verified only by %j',
        async (verified) => {
          expect((await deliver(pushWith({ email_verified: verified }))).status).toBe(401);
          expect((await deliver(pushWith({}))).status).toBe(204);
        },
      );

      test('is one without an e-mail, or whose e-mail is no text', async () => {
        for (const email of [undefined, null, 7, true, [SERVICE_ACCOUNT], { email: SERVICE_ACCOUNT }]) {
          expect((await deliver(pushWith({ email }))).status).toBe(401);
        }
        expect((await deliver(pushWith({ email: undefined, sub: SERVICE_ACCOUNT, azp: SERVICE_ACCOUNT }))).status).toBe(
          401,
        );
        expect((await deliver(pushWith({}))).status).toBe(204);
      });
    });

    describe('published samples', () => {
      test('with a history id that is a number', async () => {
        const push = json({ message: { data: numberData, messageId: '1' }, subscription: SUBSCRIPTION });
        expect(await hintOf(push)).toMatchObject({ mailbox: MAILBOX, historyId: '1710' });
      });

      test('without wrapping, known by its headers', async () => {
        const headers = {
          'x-goog-pubsub-subscription-name': SUBSCRIPTION,
          'x-goog-pubsub-message-id': '2070443601311540',
          'x-goog-pubsub-publish-time': '2021-02-26T19:13:55.749Z',
        };
        const sample = raw('{"emailAddress":"user@example.com","historyId":"1234567890"}', headers);
        expect(await hintOf(sample)).toEqual({ mailbox: MAILBOX, historyId: '1234567890', publishedAt: 1614366835749 });
        // The same notification, wrapped.
        expect(await deliver(json(officialPush))).toMatchObject({ outcome: 'duplicate' });
      });

      test('with data that Gmail never wrote: taken, so that it is not sent for ever', async () => {
        expect(await deliver(json(helloWorldPush))).toMatchObject({ status: 204, outcome: 'quarantined' });
        expect(await front.counts()).toEqual(['quarantined bad_data']);
      });

      test("with Google's own expired token: refused", async () => {
        const answer = await deliver(
          withToken({ method: 'POST', headers: {}, body: Buffer.from('{}') }, expiredGoogleToken),
        );
        expect(answer).toMatchObject({ status: 401, outcome: null });
        expect(await front.counts()).toEqual(['rejected token_key_unknown']);
      });
    });

    describe('a forgery', () => {
      test.each([...tokenForgeries, ...pushClaimForgeries])(
        '%s is answered 401 and counted with its reason',
        async (forgery) => {
          const push = withToken(
            gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1', at: now() }),
            tokenAt(now(), forgery),
          );
          const answer = await deliver(push);
          expect(answer).toMatchObject({ status: 401, outcome: null, eventId: null });
          expect(await front.counts()).toEqual([`rejected ${reasons[forgery]}`]);
          expect(await front.records()).toEqual([]);
        },
      );

      test('of the subscription in the body, or in the headers, is one of the token: it vouches for one subscription', async () => {
        const other = 'projects/myproject/subscriptions/other';
        expect((await deliver(pushAt(now(), { subscription: other }))).status).toBe(401);
        expect((await deliver(pushAt(now(), { subscription: other, form: 'unwrapped' }))).status).toBe(401);
        expect((await deliver(json({ message: officialPush.message }))).status).toBe(401);
        expect(await front.counts()).toEqual(Array(3).fill('rejected token_sender'));
      });

      test('is not what Google means when it writes its name without the scheme', async () => {
        const claims = pushClaims({ audience: AUDIENCE, serviceAccount: SERVICE_ACCOUNT, at: now() });
        const token = signToken({ ...claims, iss: 'accounts.google.com' }, googleKey);
        const push = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1', at: now() });
        expect((await deliver(withToken(push, token))).status).toBe(204);
      });
    });

    describe('what is answered', () => {
      const valid = (): PushRequest => pushAt(now());

      test.each([
        ['no token', () => ({ headers: {}, body: valid().body }), 'rejected token_missing'],
        [
          'a token that is none',
          () => ({ ...valid(), headers: { authorization: 'Bearer x' } }),
          'rejected token_malformed',
        ],
        ['no token and no JSON', () => ({ headers: {}, body: Buffer.from('x') }), 'rejected token_missing'],
        ['no token and too much', () => ({ headers: {}, body: Buffer.alloc(20_000) }), 'rejected token_missing'],
      ])('401 to %s', async (_, request, reason) => {
        expect((await deliver(request())).status).toBe(401);
        expect(await front.counts()).toEqual([reason]);
      });

      test.each([
        [
          'a mailbox nobody connected',
          () => pushAt(now(), { mailbox: 'stranger@example.com' }),
          'ignored unknown_mailbox',
        ],
        ['no JSON', () => raw('x'), 'quarantined unparsable'],
        ['nothing', () => raw(''), 'quarantined unparsable'],
        ['JSON that is no push', () => raw('{}'), 'quarantined unparsable'],
        ['JSON nested too deeply', () => raw(`${'['.repeat(100)}${']'.repeat(100)}`), 'quarantined unparsable'],
        ['bytes that are no text', () => ({ ...valid(), body: Buffer.from([0xff, 0xfe]) }), 'quarantined unparsable'],
        ['no data', () => json({ message: { messageId: '1' }, subscription: SUBSCRIPTION }), 'quarantined bad_data'],
        [
          'data that is no base64',
          () => json({ message: { messageId: '1', data: '***' }, subscription: SUBSCRIPTION }),
          'quarantined bad_data',
        ],
        [
          'no message id',
          () => json({ message: { data: numberData }, subscription: SUBSCRIPTION }),
          'quarantined bad_message_id',
        ],
        ['a negative history id', () => pushAt(now(), { historyId: '-1' }), 'quarantined bad_data'],
        ['a fractional history id', () => pushAt(now(), { historyId: '1.5' }), 'quarantined bad_data'],
        [
          'a history id in hexadecimal',
          () => pushAt(now(), { historyId: '0x1f', historyIdAs: 'text' }),
          'quarantined bad_data',
        ],
        ['a body over the limit', () => raw(JSON.stringify(officialPush).padEnd(20_000)), 'rejected body_too_large'],
      ])('204 to %s with a good token, and counted: sending it again would help nobody', async (_, request, reason) => {
        const { status } = await deliver(request());
        expect(status).toBe(204);
        expect(isAcknowledged(status)).toBe(true);
        expect(await front.counts()).toEqual([reason]);
        expect(await front.records()).toEqual([]);
      });

      test('405 to anything but POST, 404 where no such channel is', async () => {
        const got = await front.request(new Request(HOOK));
        expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
        for (const path of ['/hooks/gmail/other', '/hooks/gmail/default/more']) {
          const { headers, body } = valid();
          const url = `http://gate.example${path}`;
          const response = await front.request(
            new Request(url, { method: 'POST', headers, body: new Uint8Array(body) }),
          );
          expect(response.status).toBe(404);
        }
      });

      test('503 without any key, 204 again once there is one, and while a known key is the last one', async () => {
        keys.behave('error');
        await reopen();
        expect(await deliver(valid())).toMatchObject({ status: 503, outcome: null });
        expect(await front.counts()).toEqual(['unavailable keys_unavailable']);
        keys.behave('ok');
        advance(1_000);
        expect((await deliver(valid())).status).toBe(204);
        keys.behave('error');
        advance(24 * 3_600_000);
        expect((await deliver(valid())).status).toBe(204);
      });

      test('429 to a source whose proofs keep failing, never to an authentic push', async () => {
        await reopen({ SALLYPORT_FAILURES_PER_MINUTE: '2' });
        const source = '203.0.113.9';
        const forged = () =>
          deliver({ headers: { authorization: 'Bearer a.b.c', 'cf-connecting-ip': source }, body: Buffer.from('{}') });
        const statuses = [(await forged()).status, (await forged()).status, (await forged()).status];
        expect(statuses).toEqual([401, 401, 429]);
        const { headers, body } = valid();
        expect((await deliver({ headers: { ...headers, 'cf-connecting-ip': source }, body })).status).toBe(204);
      });
    });

    describe('a subscription whose pushes are refused', () => {
      test('delivers all of them once the gate is well again, and nothing holds it up that the gate can do nothing about', async () => {
        keys.behave('error');
        await reopen();
        const { deliver: run } = startPushDeliveries({
          post: async (push) => (await deliver(push)).status,
          pause: async (ms) => {
            advance(ms);
            if (ms > 1_000) keys.behave('ok');
          },
        });
        const pushes = ['1', '2', '3'].map((historyId) => pushAt(now(), { historyId }));
        const attempts = await run(pushes);
        expect(attempts.filter(({ status }) => status === 204)).toHaveLength(3);
        expect(attempts.filter(({ status }) => status === 503).length).toBeGreaterThan(2);
        const poison = [
          raw('x'),
          pushAt(now(), { mailbox: 'stranger@example.com' }),
          pushAt(now(), { historyId: '-1' }),
        ];
        const [, ...after] = await run([...poison, pushAt(now())]);
        expect(after.map(({ status }) => status)).toEqual([204, 204, 204]);
      });
    });
  });
}
