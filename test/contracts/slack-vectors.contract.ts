import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import { reasonOf } from '../../src/core/errors.ts';
import { deliverWithRetries } from '../../src/testing/slack/retries.ts';
import { type SlackBody, signSlackRequest, slackJson } from '../../src/testing/slack/signer.ts';
import * as bodies from '../fixtures/slack-bodies.ts';
import { slackKinds } from '../fixtures/slack-kinds.ts';
import { official, spoiled } from '../fixtures/slack-signatures.ts';
import { conflicts, original, others, twins } from '../fixtures/slack-twins.ts';
import type { Front, OpenFront } from '../support/fronts.ts';

/** When the payloads of the fixtures were written, epoch ms. */
const NOW = 1_700_000_000_000;
const HOOK = 'http://gate.test/hooks/slack/default';

interface Sent {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

const signed = (body: SlackBody): Sent => signSlackRequest(body, { signingSecret: official.secret, at: NOW });

/** Slack's published and hostile deliveries, whatever runs the front door. */
export function slackVectors(name: string, openFront: OpenFront): void {
  describe(`Slack's deliveries on ${name}`, () => {
    let front: Front;
    let now = NOW;
    const open = () => openFront({ settings: { SLACK_SIGNING_SECRET: official.secret }, clock: () => now });
    beforeAll(async () => {
      front = await open();
    });
    afterAll(() => front.stop());

    const post = async (to: Front, { headers, body }: Sent): Promise<Response> =>
      to.request(new Request(HOOK, { method: 'POST', headers, body: Buffer.from(body) }));

    /** The status, and what the delivery was counted as. */
    async function fate(sent: Sent, to = front): Promise<string> {
      const { status } = await post(to, sent);
      return [status, ...(await to.counts())].join(' ');
    }

    /** A front that has seen nothing, for the time of a case. */
    async function alone<T>(act: (to: Front) => Promise<T>): Promise<T> {
      const to = await open();
      try {
        return await act(to);
      } finally {
        await to.stop();
      }
    }

    describe('the signature', () => {
      const verify = async (attempt: Partial<(typeof spoiled)[number]> = {}): Promise<string> => {
        const { timestamp = official.timestamp, signature = official.signature, body = official.body } = attempt;
        now = (attempt.now ?? Number(official.timestamp)) * 1000;
        const headers = {
          'content-type': official.contentType,
          ...(timestamp !== null && { 'x-slack-request-timestamp': timestamp }),
          ...(signature !== null && { 'x-slack-signature': signature }),
        };
        const found = await fate({ headers, body });
        now = NOW;
        return found;
      };

      it("of Slack's published example is accepted, 300 s early and late", async () => {
        const seconds = Number(official.timestamp);
        expect(await verify()).toBe('200 accepted');
        for (const away of [-300, 300]) expect(await verify({ now: seconds + away })).toBe('200 duplicate');
      });

      // HTTP takes white space off a header's value, so it never arrives.
      it.each(
        spoiled.filter(({ timestamp }) => timestamp?.startsWith(' ') !== true).map((one) => [one.name, one] as const),
      )('is refused: %s', async (_, { code, ...attempt }) => {
        expect(await verify(attempt)).toBe(`401 rejected ${reasonOf(code as ErrorCode)}`);
      });
    });

    const kinds = slackKinds.map((kind) => [kind.name, kind] as const);
    const isAccepted = ([, { outcome }]: (typeof kinds)[number]): boolean => outcome.startsWith('accepted');

    it.each(kinds.filter(isAccepted))('"%s" is accepted', async (_, { body, outcome, conversation }) => {
      await alone(async (to) => {
        expect(await fate(signed(body), to)).toBe('200 accepted');
        const records = await to.records();
        expect(records.map(({ event: { kind } }) => `accepted ${kind}`)).toEqual([outcome]);
        if (conversation !== undefined) expect(records[0]?.event.conversation.name).toBe(conversation);
      });
    });

    it.each(kinds.filter((kind) => !isAccepted(kind)))('"%s" is not accepted', async (_, { body, outcome }) => {
      const [word = '', reason = '200'] = outcome.split(/: | /);
      expect(await fate(signed(body))).toBe(reason === '200' ? `200 ${word}` : `200 ${word} ${reason}`);
    });

    describe('a signed body', () => {
      it.each(bodies.unparsable)('with %s is unparsable', async (_, body) => {
        expect(await fate(signed(body))).toBe('400 rejected body_unparsable');
      });

      it('without a content type is unparsable', async () => {
        const { body, headers } = signed(bodies.json(bodies.message()));
        const { 'content-type': _, ...without } = headers;
        expect(await fate({ headers: without, body })).toBe('400 rejected body_unparsable');
      });

      it.each(bodies.unprocessable)('with %s is unprocessable', async (_, body) => {
        expect(await fate(signed(body))).toBe('200 ignored unprocessable');
      });

      it.each(bodies.badRoutingIds)('whose routing ids hold %s is quarantined', async (_, body) => {
        expect(await fate(signed(body))).toBe('200 quarantined bad_routing_id');
      });

      it.each(bodies.readable)('is read: %s', async (_, body) => {
        expect(await alone((to) => fate(signed(body), to))).toMatch(/^200 (accepted|ignored)$/);
      });
    });

    describe('a handshake', () => {
      const unsigned = (body: string, contentType = bodies.FORM): Sent => ({
        headers: { 'content-type': contentType },
        body,
      });

      it.each(bodies.sslChecks)('%s is answered without a signature', async (body) => {
        expect(await fate(unsigned(body))).toBe('200 handshake');
      });

      it.each([
        ...bodies.noSslChecks.map((body) => [body, bodies.FORM] as const),
        ['ssl_check=1', 'text/plain'] as const,
      ])('%.20s (%s) needs a signature', async (body, contentType) => {
        expect(await fate(unsigned(body, contentType))).toBe('401 rejected signature_missing');
      });

      it.each(bodies.badChallenges.map((one) => [one]))('does not echo the challenge %j', async (challenge) => {
        const body = slackJson({ type: 'url_verification', challenge });
        expect(await fate(signed(body))).toBe('400 rejected body_unparsable');
      });
    });

    describe('the identity of a message', () => {
      let seen: Front;
      beforeAll(async () => {
        seen = await open();
        expect(await fate(signed(slackJson(original)), seen)).toBe('200 accepted');
      });
      afterAll(() => seen.stop());
      it.each([
        ...twins.map(([twin, payload]) => [twin, payload, 'duplicate'] as const),
        ...conflicts.map(([forged, payload]) => [forged, payload, 'conflict'] as const),
        ...others.map(([other, payload]) => [other, payload, 'accepted'] as const),
      ])('%s', async (_, payload, outcome) => {
        expect(await fate(signed(slackJson(payload)), seen)).toBe(`200 ${outcome}`);
      });
    });

    it('four attempts of Slack whose answers were lost are one event', () =>
      alone(async (to) => {
        const attempts = await deliverWithRetries({
          body: slackJson(original),
          signingSecret: official.secret,
          clock: () => now,
          pass: (ms) => {
            now += ms;
          },
          send: async (request) => {
            expect((await post(to, request)).status).toBe(200);
            return undefined;
          },
        });
        expect(attempts).toHaveLength(4);
        expect(await to.counts()).toEqual(['accepted', 'duplicate', 'duplicate', 'duplicate']);
        expect(await to.records()).toMatchObject([{ deliveries: 4, state: 'queued' }]);
        now = NOW;
      }));
  });
}
