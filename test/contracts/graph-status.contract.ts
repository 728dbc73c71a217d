import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  encryptGraphContent,
  type GraphItem,
  graphDelivery,
  graphItem,
  signGraphToken,
} from '../../src/testing/graph/signer.ts';
import type { OpenFront } from '../support/fronts.ts';
import { type GraphFront, type GraphIssuer, openGraphFront, startGraphIssuer } from '../support/graph-front.ts';
import { CLIENT_STATE, certificate } from '../support/graph-gate.ts';

const RESOURCE = 'Users/ddfcd489-628b-40d7-b48b-57002df800e5/Messages/AAMkAGUw=';
/** Of requests that come from one address. */
const SOURCE = '203.0.113.9';

/** Graph's status table, line by line, whatever runs the front door. */
export function graphStatus(name: string, openFront: OpenFront): void {
  describe(`Graph's status table on ${name}`, () => {
    let issuer: GraphIssuer;
    let front: GraphFront;
    const open = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
      front = await openGraphFront(openFront, issuer, settings);
    };
    beforeAll(async () => {
      issuer = await startGraphIssuer();
    });
    afterEach(() => front.stop());
    afterAll(() => issuer.keys.stop());

    const mail = (overrides: Partial<Parameters<typeof graphItem>[0]> = {}): GraphItem =>
      graphItem({ tenantId: issuer.tenantId, clientState: CLIENT_STATE, resource: RESOURCE, ...overrides });

    const send = (items: readonly unknown[], tokens?: readonly string[], rest = ''): Promise<Response> =>
      front.post(rest, graphDelivery(items, tokens));

    describe('handshakes', () => {
      const ask = (query: string): Promise<Response> =>
        front.post(query, { headers: { 'content-type': 'text/plain' }, body: '', source: SOURCE });

      it.each([
        ['no token', ''],
        ['an empty token', '?validationToken='],
        ['two tokens', '?validationToken=a&validationToken=b'],
        ['a token of more than 4096 characters', `?validationToken=${'a'.repeat(4097)}`],
        ['markup', '?validationToken=%3Cscript%3Ealert(1)%3C/script%3E'],
        ['a line break', '?validationToken=a%0d%0aset-cookie:x'],
        ['a control character', '?validationToken=a%00b'],
        ['bytes that are no UTF-8', '?validationToken=%ff'],
        ['another spelling of the name', '?validationtoken=a'],
      ])('with %s are answered 400 and echo nothing', async (_, query) => {
        await open();
        const response = await ask(query);
        expect(response.status).toBe(400);
        expect(await response.text()).toBe('');
      });

      it('echo the longest token there may be', async () => {
        await open();
        expect(await (await ask(`?validationToken=${'a'.repeat(4096)}`)).text()).toBe('a'.repeat(4096));
      });

      it('do not answer for a body: with a token on the URL it is verified like any other', async () => {
        await open();
        const response = await send(
          [mail({ clientState: 'somebody-elses-client-state' })],
          undefined,
          '?validationToken=echo',
        );
        expect(response.status).toBe(202);
        expect(await response.text()).toBe('');
        expect(await front.counts()).toEqual(['quarantined client_state']);
        await send([mail()], undefined, '?validationToken=echo');
        expect(await front.records()).toHaveLength(1);
      });

      it('count against their source, and are refused when it asks too often', async () => {
        await open({ SALLYPORT_FAILURES_PER_MINUTE: '3' });
        const statuses = [];
        for (let i = 0; i < 5; i += 1) statuses.push((await ask('?validationToken=a')).status);
        expect(statuses).toEqual([200, 200, 200, 429, 429]);
        // What proves itself is never refused for where it came from.
        expect((await send([mail()])).status).toBe(202);
      });
    });

    describe('deliveries', () => {
      it('are answered 202 without a body when accepted, and when they come again', async () => {
        await open();
        for (const outcome of ['accepted', 'duplicate']) {
          const response = await send([mail()]);
          expect([response.status, await response.text()]).toEqual([202, '']);
          expect(response.headers.get('x-sallyport-outcome')).toBe(outcome);
        }
        expect((await front.records())[0]).toMatchObject({ state: 'queued', deliveries: 2 });
      });

      it.each<[string, Partial<Parameters<typeof graphItem>[0]>, string]>([
        ['a resource nobody reads', { resource: 'Users/u1/Events/e1' }, 'ignored unsupported_resource'],
        ['a resource that is no path', { resource: '' }, 'ignored unsupported_resource'],
        ['a deletion', { changeType: 'deleted' }, 'ignored unsupported_change'],
        ['another secret', { clientState: 'another-client-state' }, 'quarantined client_state'],
        ['another tenant', { tenantId: '00000000-0000-0000-0000-000000000000' }, 'quarantined other_tenant'],
        ['an id that may not become a name', { resource: "Users('u')/Messages('<b>')" }, 'quarantined bad_routing_id'],
        ['a subscription id that may not become a name', { subscriptionId: 'a\nb' }, 'quarantined bad_routing_id'],
      ])('are answered 202 for %s, which is counted and not kept', async (_, overrides, count) => {
        await open();
        expect((await send([mail(overrides)])).status).toBe(202);
        expect(await front.counts()).toEqual([count]);
        expect(await front.records()).toEqual([]);
      });

      it('are not parsed when they are large and none of their items could be authentic', async () => {
        await open();
        // Parsing it would show that it is no notification, nor JSON.
        for (const state of ['', '"clientState":"another-client-state",']) {
          expect((await front.post('', { body: `{${state}"value":[${'['.repeat(10_000)}` })).status).toBe(202);
        }
        expect(await front.counts()).toEqual(['quarantined client_state', 'quarantined client_state']);
      });

      it.each([
        ['at its end', (state: string) => `"clientState":${JSON.stringify(state)}`],
        ['with white space', (state: string) => `"clientState" :\r\n\t ${JSON.stringify(state)}`],
        [
          'with escapes',
          (state: string) =>
            `"clientState":"${[...state].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`,
        ],
        [
          'behind others',
          (state: string) => `"other":{"clientState":"x","clientState":1},"clientState":${JSON.stringify(state)}`,
        ],
      ])('are accepted however large they are: the state %s', async (_, spell) => {
        await open();
        const body = JSON.stringify({ value: [{ pad: 'x'.repeat(20_000), ...mail() }] });
        const spelled = body.replace(`"clientState":${JSON.stringify(CLIENT_STATE)}`, () => spell(CLIENT_STATE));
        expect(spelled).not.toBe(body.replace('pad', 'pad '));
        expect((await front.post('', { body: spelled })).status).toBe(202);
        expect(await front.counts()).toEqual(['accepted']);
      });

      it('without an item prove nothing, and count against their source', async () => {
        await open({ SALLYPORT_FAILURES_PER_MINUTE: '3' });
        const statuses = [];
        for (let i = 0; i < 4; i += 1)
          statuses.push((await front.post('', { ...graphDelivery([]), source: SOURCE })).status);
        for (const body of ['{', 'hello']) statuses.push((await front.post('', { body, source: SOURCE })).status);
        expect(statuses).toEqual([202, 202, 202, 429, 400, 400]);
        expect((await send([mail()])).status).toBe(202);
      });

      it('are answered 202 for an unknown lifecycle event', async () => {
        await open();
        const item = {
          subscriptionId: 's',
          tenantId: issuer.tenantId,
          clientState: CLIENT_STATE,
          lifecycleEvent: 'renamed',
        };
        expect((await send([item])).status).toBe(202);
        expect(await front.counts()).toEqual(['ignored unknown_lifecycle_event']);
      });

      it.each([
        ['no JSON', 'hello'],
        ['no UTF-8', new Uint8Array([0x7b, 0xff, 0x7d])],
        ['an array', '[]'],
        ['an object without value', '{"validationTokens":[]}'],
        ['a value that is no array', '{"value":{}}'],
        [
          'more items than a real delivery can hold',
          `{"value":[{"clientState":"${CLIENT_STATE}"}${',0'.repeat(10_000)}]}`,
        ],
        ['more than 8 KiB that name no items', `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`],
        ['more than 8 KiB that are no object', `["value",${'0,'.repeat(5_000)}0]`],
        ['JSON nested a thousand deep', `{"value":[${'['.repeat(1000)}${']'.repeat(1000)}]}`],
      ])('are answered 400 for %s: that is not Graph', async (_, body) => {
        await open();
        expect((await front.post('', { body })).status).toBe(400);
        expect(await front.records()).toEqual([]);
      });

      it('quarantine items that are no objects', async () => {
        await open();
        expect((await send([null, 7, 'x', [], mail()])).status).toBe(202);
        expect((await front.counts()).toSorted()).toEqual(['accepted', ...Array(4).fill('quarantined bad_item')]);
      });

      it('are answered 413 over the limit, counted while reading', async () => {
        await open({ SALLYPORT_BODY_LIMIT: '2KiB' });
        expect((await front.post('', { body: `{"value":[],"padding":"${'x'.repeat(2048)}"}` })).status).toBe(413);
        expect((await send([mail()])).status).toBe(202);
      });

      it('are answered 503 when a token cannot be judged because the keys are unreachable and none is cached', async () => {
        await open();
        issuer.keys.behave('error');
        const encryptedContent = encryptGraphContent({ id: 'AAMkAGUw=' }, certificate.publicKey, certificate.id);
        const { key, tenantId, clientId } = issuer;
        const token = signGraphToken({ key, tenantId, clientId, at: front.clock.now() });
        expect((await send([mail({ encryptedContent })], [token])).status).toBe(503);
        // Basic notifications need no key.
        expect((await send([mail()])).status).toBe(202);
        issuer.keys.behave('ok');
      });

      it('are answered 405 with Allow for another method, and 404 below an unknown path or tenant', async () => {
        await open();
        const get = await front.request(new Request('https://gate.example/hooks/graph/default'));
        expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
        const unknown = [
          'graph/acme',
          'graph/default/short',
          `graph/default/${'n'.repeat(22)}/x`,
          'graph/default/lifecycle/x',
        ];
        for (const path of unknown) {
          const response = await front.request(
            new Request(`https://gate.example/hooks/${path}`, { method: 'POST', body: '{}' }),
          );
          expect(response.status).toBe(404);
        }
      });

      it('count forgeries against their source, and refuse it once it sends nothing else', async () => {
        await open({ SALLYPORT_FAILURES_PER_MINUTE: '2' });
        const forged = (): Promise<Response> =>
          front.post('', { ...graphDelivery([mail({ clientState: 'forged-client-state' })]), source: SOURCE });
        expect([(await forged()).status, (await forged()).status, (await forged()).status]).toEqual([202, 202, 429]);
        // Mixed with an honest item it is the honest item that counts.
        expect((await send([mail(), mail({ clientState: 'forged-client-state' })])).status).toBe(202);
        expect(await front.records()).toHaveLength(1);
      });
    });
  });
}
