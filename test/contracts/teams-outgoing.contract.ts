import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  hmacAuthorization,
  type SignedTeamsRequest,
  signTeamsOutgoing,
  type TeamsTamper,
  teamsRequest,
} from '../../src/testing/teams/signer.ts';
import { echoWork } from '../support/echo-work.ts';
import type { Front, OpenFront } from '../support/fronts.ts';
import { samples } from '../support/needs.ts';
import { SECURITY_TOKEN, said } from '../support/teams.ts';

/** The time in the vectors. */
const at = Date.parse('2017-02-01T21:10:07.437Z');
const HOOK = 'http://gate.test/hooks/teams/default/outgoing';

interface Vector {
  readonly id: string;
  readonly input: { readonly security_token: string; readonly body?: string };
  readonly expect: { readonly authorization: string; readonly wrong_if_key_not_base64_decoded?: string };
}

/** Outgoing webhooks of Teams, which are answered with the reply, whatever runs the front door. */
export function teamsOutgoing(name: string, openFront: OpenFront): void {
  describe(`Teams' outgoing webhooks on ${name}`, () => {
    let front: Front;
    beforeAll(async () => {
      front = await openFront({
        clock: () => at,
        work: echoWork(() => at),
        settings: { TEAMS_OUTGOING_SECRET: SECURITY_TOKEN, SALLYPORT_BODY_LIMIT: '256KiB' },
      });
    });
    afterAll(() => front.stop());

    /** What waits for its reply is taken by the origin: the edge passes it on. */
    const taken = (outcome = 'accepted'): string => (front.isEdge ? 'forwarded' : outcome);

    let written = 0;
    const first = said({ text: '<at>contoso</at> hello', at, conversation: '19:general@thread.tacv2' });
    let hello = first;
    beforeEach(async () => {
      await front.counts();
      written += 1;
      hello = { ...first, id: `900${written}` };
    });
    const signed = (tamper?: TeamsTamper, activity: object = hello): SignedTeamsRequest =>
      signTeamsOutgoing(activity as typeof hello, { securityToken: SECURITY_TOKEN, at, ...(tamper && { tamper }) });
    const raw = (body: string, securityToken = SECURITY_TOKEN) =>
      teamsRequest(body, hmacAuthorization(body, securityToken));
    const authorized = (authorization: string) => teamsRequest(signed(undefined, first).body, authorization);

    async function post({ headers, body }: SignedTeamsRequest) {
      const response = await front.request(new Request(HOOK, { method: 'POST', headers, body: new Uint8Array(body) }));
      return {
        status: response.status,
        outcome: response.headers.get('x-sallyport-outcome'),
        type: response.headers.get('content-type'),
        body: await response.text(),
      };
    }

    async function fate(request: SignedTeamsRequest): Promise<string> {
      const { status } = await post(request);
      return [status, ...(await front.counts())].join(' ');
    }

    describe('an outgoing webhook', () => {
      it('is answered with the reply, as a message, also when it comes again', async () => {
        const answer = await post(signed());
        expect(answer).toMatchObject({ status: 200, outcome: taken(), type: 'application/json' });
        expect(JSON.parse(answer.body)).toEqual({ type: 'message', text: 'echo: hello' });
        expect(await post(signed())).toEqual({ ...answer, outcome: taken('duplicate') });
        const record = (await front.records()).at(-1);
        expect(record).toMatchObject({ state: 'done', attempts: 1, deliveries: 2 });
        expect(record?.event).toMatchObject({
          mentioned: true,
          text: 'hello',
          destination: { via: 'response' },
          sealed: {},
        });
      });

      it('with an id that was used for other words is a conflict, answered at once and politely', async () => {
        await post(signed());
        const { status, outcome, body } = await post(signed(undefined, { ...hello, text: 'pay Mallory' }));
        expect([status, outcome]).toEqual([200, taken('conflict')]);
        expect(JSON.parse(body)).toMatchObject({ type: 'message', text: expect.stringContaining('ask again') });
      });
    });

    describe('the status table', () => {
      it.each([
        ['no authorization', { ...signed(), headers: {} }, '401 rejected signature_missing'],
        ['a body altered on the way', signed('altered'), '401 rejected signature_mismatch'],
        ['another key', signed('wrong-key'), '401 rejected signature_mismatch'],
        ['a body of 601 s ago', signed('stale'), '401 rejected timestamp_outside_tolerance'],
        ['a body of 601 s ahead', signed('future'), '401 rejected timestamp_outside_tolerance'],
        ['no timestamp', raw('{"type":"message","id":"1","text":"x"}'), '401 rejected timestamp_malformed'],
        [
          'a timestamp in words',
          raw('{"type":"message","id":"1","timestamp":"now"}'),
          '401 rejected timestamp_malformed',
        ],
        [
          'a timestamp that is a number',
          raw(`{"type":"message","id":"1","timestamp":${at}}`),
          '401 rejected timestamp_malformed',
        ],
        [
          'a day that does not exist',
          raw('{"type":"message","id":"1","timestamp":"2017-02-31T99:10:07Z"}'),
          '401 rejected timestamp_malformed',
        ],
        ['no JSON', raw('{'), '400 rejected body_unparsable'],
        ['a list', raw('[]'), '400 rejected body_unparsable'],
        ['a body over the limit', raw(`"${'x'.repeat(256 * 1024)}"`), '413 rejected body_too_large'],
        ['no id', signed(undefined, { ...hello, id: undefined }), '200 ignored unprocessable'],
        ['something that is no message', signed(undefined, { ...hello, type: 'typing' }), '200 ignored unknown_type'],
        ['a bot', signed(undefined, { ...hello, from: { id: '28:other' } }), '200 ignored bot_message'],
        ['an id that is a path', signed(undefined, { ...hello, id: '../x' }), '200 quarantined bad_routing_id'],
      ] as const)('%s', async (_, request, expected) => {
        expect(await fate(request)).toBe(expected);
      });

      it('GET is 405', async () => {
        expect((await front.request(new Request(HOOK))).status).toBe(405);
      });

      it.each([-600_000, 600_000])('a body whose time is %i ms away is fresh', async (away) => {
        const request = signTeamsOutgoing(hello, { securityToken: SECURITY_TOKEN, at: at + away });
        expect(await fate(request)).toBe(`200 ${taken()}`);
      });
    });

    describe('the authorization header', () => {
      const [, digest = ''] = hmacAuthorization(signed().body, SECURITY_TOKEN).split(' ');
      // The last character before the padding holds two bits that count for nothing.
      const respelled = digest.replace(/(.)=$/, (_, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}=`);

      it.each([
        ['in lower case', `hmac ${digest}`],
        ['with two spaces', `HMAC  ${digest}`],
        ['without its padding', `HMAC ${digest.slice(0, -1)}`],
        ['in base64url', `HMAC ${digest.slice(0, 20)}-_${digest.slice(22)}`],
        ['in hexadecimal', `HMAC ${Buffer.from(digest, 'base64').toString('hex')}`],
        ['with something behind it', `HMAC ${digest} x`],
        ['sent twice', `HMAC ${digest}, HMAC ${digest}`],
        ['as a bearer token', `Bearer ${digest}`],
        ['empty', 'HMAC '],
        ['spelled with other bits that count for nothing', `HMAC ${respelled}`],
      ])('%s is malformed', async (_, authorization) => {
        expect(Buffer.from(respelled, 'base64')).toEqual(Buffer.from(digest, 'base64'));
        expect(await fate(authorized(authorization))).toBe('401 rejected signature_malformed');
      });

      it('as it should be is taken', async () => {
        expect(await fate(authorized(`HMAC ${digest}`))).toBe(`200 ${taken()}`);
      });

      it('made with the token as text instead of its bytes is refused', async () => {
        const wrong = hmacAuthorization(signed(undefined, first).body, Buffer.from(SECURITY_TOKEN).toString('base64'));
        expect(await fate(authorized(wrong))).toBe('401 rejected signature_mismatch');
      });
    });

    describe("Microsoft's sample key", () => {
      const body =
        '{"type":"message","id":"1485983408511","timestamp":"2017-02-01T21:10:07.437Z","text":"<at>contoso</at> hello"}';

      it.each([
        ['HMAC +aGPbqwWsk8iQeX7R5gWcqpBXIroa/YPXUHzldfEywE=', '200 accepted'],
        ['HMAC ED+ckQ4I6zV8zSVROZ/pzkLGVmKxwerSd2l0yvlgu1k=', '401 rejected signature_mismatch'],
      ])('%s', async (authorization, expected) => {
        const wanted = expected.replace('accepted', taken());
        expect(await fate(teamsRequest(body, authorization))).toBe(wanted);
      });

      it.each([
        ['HMAC 6Fo71dHjmlOIMrr+mBSbI86AZDOel+yI6b2vzlb/S6c=', '401 rejected timestamp_malformed'],
        ['HMAC NI83spl+nvBUcmvguJSyo2rTuOC7OuEYH1QzPqyZ5QI=', '401 rejected signature_mismatch'],
      ])('%s over text outside ASCII, without a time', async (authorization, expected) => {
        expect(await fate(teamsRequest('{"type":"message","text":"café 🤖"}', authorization))).toBe(expected);
      });
    });

    const collected = samples('vectors/protocol-vectors.json');

    collected.describe('collected signature vectors', () => {
      const all = collected.json<{ vectors: readonly Vector[] }>()?.vectors ?? [];
      const vectors = all.filter(({ id }) => id.startsWith('teams.outgoing.'));

      it.each(vectors.map((vector) => [vector.id, vector] as const))('%s', async (_, { input, expect: wanted }) => {
        expect(input.security_token).toBe(SECURITY_TOKEN);
        // One was published without the body it signs: as a header it is well-formed, and good for no body of ours.
        const { body = '{}' } = input;
        const isSigned = async (authorization: string) => {
          const found = await fate(teamsRequest(body, authorization));
          return found.startsWith('200') || !found.includes('signature');
        };
        expect(await isSigned(wanted.authorization)).toBe(input.body !== undefined);
        if (wanted.wrong_if_key_not_base64_decoded === undefined) return;
        expect(await isSigned(wanted.wrong_if_key_not_base64_decoded)).toBe(false);
      });

      it('are all there', () => {
        expect(vectors).toHaveLength(3);
      });
    });
  });
}
