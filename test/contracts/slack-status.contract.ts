import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signSlackRequest, slackForm, slackJson } from '../../src/testing/slack/signer.ts';
import type { Front, FrontOptions, OpenFront } from '../support/fronts.ts';
import { SIGNING_SECRET } from '../support/gate.ts';
import { answered, message, postSlack } from '../support/slack.ts';

const sign = (body: Parameters<typeof signSlackRequest>[0]) =>
  signSlackRequest(body, { signingSecret: SIGNING_SECRET, at: Date.now() });

/** Slack's status table, whatever runs the front door. */
export function slackStatus(name: string, openFront: OpenFront): void {
  describe(`Slack's status table on ${name}`, () => {
    let front: Front;
    const open = async (settings: Record<string, string> = {}, more: Partial<FrontOptions> = {}): Promise<void> => {
      front = await openFront({ settings: { SLACK_SIGNING_SECRET: SIGNING_SECRET, ...settings }, ...more });
    };
    const reopen = async (...args: Parameters<typeof open>): Promise<void> => {
      await front.stop();
      await open(...args);
    };
    beforeEach(() => open());
    afterEach(() => front.stop());

    async function post(path: string, init: { headers?: Record<string, string>; body?: Uint8Array | ReadableStream }) {
      const request = new Request(`http://gate.test${path}`, {
        method: 'POST',
        duplex: 'half',
        ...init,
      } as RequestInit);
      return answered(await front.request(request));
    }

    test.each(['stale', 'future', 'wrong-key', 'altered'] as const)(
      'a forgery (%s) is answered 401 without a body, an outcome or a no-retry header',
      async (tamper) => {
        const answer = await postSlack(front, message({ text: 'x' }), { tamper });
        expect(answer).toMatchObject({ status: 401, body: '', outcome: null, eventId: null });
        expect(answer.headers.has('x-slack-no-retry')).toBe(false);
      },
    );

    test.each(['stale', 'future'] as const)('a %s forgery is one even after 20 s on its way', async (tamper) => {
      const at = Date.now();
      await reopen({}, { clock: () => at + 20_000 });
      expect((await postSlack(front, message({ text: 'x' }), { tamper, at })).status).toBe(401);
    });

    test('url_verification is answered with the challenge, as text', async () => {
      const answer = await postSlack(front, { type: 'url_verification', challenge: '3eZbrw1aBm2rZgRN', token: 'x' });
      expect(answer).toMatchObject({ status: 200, outcome: 'handshake', body: '3eZbrw1aBm2rZgRN' });
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
    });

    test('an unsigned ssl_check is answered 200 and nothing in it is looked at', async () => {
      const { headers, body } = slackFormRequest({ ssl_check: '1', token: 'x' });
      expect(await post('/hooks/slack/default', { headers, body })).toMatchObject({ status: 200, body: '' });
      const smuggled = slackFormRequest({ ssl_check: '1', payload: JSON.stringify(message({ text: 'in' })) });
      await post('/hooks/slack/default', smuggled);
      expect(await front.records()).toEqual([]);
    });

    const slackFormRequest = (fields: Record<string, string>) => {
      const { contentType, body } = slackForm(fields);
      return { headers: { 'content-type': contentType }, body: new TextEncoder().encode(String(body)) };
    };

    test('signed but unparsable is answered 400 and Slack is told not to retry', async () => {
      const { headers, body } = sign({ contentType: 'application/json', body: '{"type":' });
      const answer = await post('/hooks/slack/default', { headers, body });
      expect(answer).toMatchObject({ status: 400, body: '' });
      expect(answer.headers.get('x-slack-no-retry')).toBe('1');
    });

    test.each(['whole', 'chunked'])('a body over the limit is answered 413 (%s)', async (form) => {
      const { headers, body } = sign({ contentType: 'application/json', body: ' '.repeat(1024 * 1024 + 1) });
      const sent = form === 'whole' ? body : new Blob([new Uint8Array(body)]).stream();
      const answer = await post('/hooks/slack/default', { headers, body: sent });
      expect(answer.status).toBe(413);
      expect(answer.headers.get('x-slack-no-retry')).toBe('1');
      expect(await front.counts()).toEqual(['rejected body_too_large']);
    });

    test('a body that comes too slowly is answered 408', async () => {
      await reopen({ SALLYPORT_BODY_TIMEOUT: '100ms' });
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new Uint8Array([0x7b])),
      });
      expect((await post('/hooks/slack/default', { headers: sign(slackJson({})).headers, body })).status).toBe(408);
    });

    test('any method but POST is answered 405 before the tenant is looked at', async () => {
      for (const path of ['/hooks/slack/default', '/hooks/slack/nobody', '/hooks/slack']) {
        const answer = await answered(await front.request(new Request(`http://gate.test${path}`)));
        expect(answer.status).toBe(405);
        expect(answer.headers.get('allow')).toBe('POST');
      }
    });

    test('an unknown path, tenant and channel get the same answer', async () => {
      const paths = [
        '/nowhere',
        '/hooks/slack/nobody',
        '/hooks/gmail/default',
        '/hooks/telegram',
        '/hooks/slack/default/x',
      ];
      const answers = await Promise.all(paths.map((path) => post(path, {})));
      expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 404));
      const withoutId = answers.map(({ body }) => ({ ...JSON.parse(body), requestId: '' }));
      for (const one of withoutId) expect(one).toEqual(withoutId[0]);
    });

    test('a hook without a tenant is the default one', async () => {
      expect(await postSlack(front, message({ text: 'hi' }), { path: '/hooks/slack' })).toMatchObject({
        outcome: 'accepted',
      });
      expect(await front.records()).toMatchObject([{ event: { tenant: 'default', text: 'hi' } }]);
    });

    test('a source over its rate of forgeries gets 429; authentic deliveries from it still pass', async () => {
      await reopen({ SALLYPORT_FAILURES_PER_MINUTE: '3' });
      const source = '203.0.113.9';
      const statuses: number[] = [];
      for (let i = 0; i < 5; i += 1) {
        statuses.push((await postSlack(front, message({ text: 'x' }), { tamper: 'wrong-key', source })).status);
      }
      expect(statuses).toEqual([401, 401, 401, 429, 429]);
      expect(await postSlack(front, message({ text: 'hi' }), { source })).toMatchObject({
        status: 200,
        outcome: 'accepted',
      });
    });

    test('handshakes over the rate get 429', async () => {
      await reopen({ SALLYPORT_FAILURES_PER_MINUTE: '2' });
      const source = '203.0.113.9';
      const statuses: number[] = [];
      for (let i = 0; i < 3; i += 1) {
        statuses.push((await postSlack(front, { type: 'url_verification', challenge: 'abc' }, { source })).status);
      }
      expect(statuses).toEqual([200, 200, 429]);
    });

    test('no answer repeats what was sent', async () => {
      const canary = 'canary-7f3a';
      const answers = await Promise.all([
        post(`/hooks/slack/${canary}`, {}),
        post(`/${canary}`, { headers: { 'x-slack-signature': canary } }),
        post('/hooks/slack/default', { headers: { 'x-slack-signature': canary, 'x-slack-request-timestamp': canary } }),
        post('/hooks/slack/default', sign({ contentType: 'application/json', body: `{"${canary}` })),
      ]);
      for (const { body, headers } of answers) expect(body + JSON.stringify([...headers])).not.toContain(canary);
    });
  });
}
