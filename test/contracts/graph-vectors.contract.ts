import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encryptGraphContent, signGraphToken } from '../../src/testing/graph/signer.ts';
import { lifecycleSample, mailSample, richSample, SAMPLE_CLIENT, SAMPLE_TENANT } from '../fixtures/graph-samples.ts';
import type { OpenFront } from '../support/fronts.ts';
import { type GraphFront, type GraphIssuer, openGraphFront, startGraphIssuer } from '../support/graph-front.ts';
import { certificate } from '../support/graph-gate.ts';
import { samples } from '../support/needs.ts';

const TOKEN =
  'Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+25460109-0e8b-4521-8090-dd691b407ed8';

/** Microsoft's published examples, whatever runs the front door. */
export function graphVectors(name: string, openFront: OpenFront): void {
  describe(`Graph's examples on ${name}`, () => {
    let issuer: GraphIssuer;
    let front: GraphFront;
    beforeAll(async () => {
      issuer = await startGraphIssuer({ tenantId: SAMPLE_TENANT, clientId: SAMPLE_CLIENT });
    });
    beforeEach(async () => {
      front = await openGraphFront(openFront, issuer);
    });
    afterEach(() => front.stop());
    afterAll(() => issuer.keys.stop());

    const send = (body: unknown, rest = ''): Promise<Response> => front.post(rest, { body: JSON.stringify(body) });

    describe('the published samples', () => {
      it('echoes a validation token with its plus signs as spaces, as plain text that no browser sniffs', async () => {
        for (const rest of ['', '/lifecycle', `/${'n'.repeat(22)}`, `/lifecycle/${'n'.repeat(22)}`]) {
          const headers = { 'content-type': 'text/plain; charset=utf-8' };
          const response = await front.post(`${rest}?validationToken=${TOKEN}`, { headers, body: '' });
          expect(response.status).toBe(200);
          expect(response.headers.get('content-type')).toMatch(/^text\/plain\b/);
          expect(response.headers.get('x-content-type-options')).toBe('nosniff');
          expect(await response.text()).toBe(
            'Validation: Testing client application reachability for subscription Request-Id: 25460109-0e8b-4521-8090-dd691b407ed8',
          );
        }
      });

      it('accepts the sample of a new mail, and keeps nothing of its secret', async () => {
        expect((await send(mailSample)).headers.get('x-sallyport-outcome')).toBe('accepted');
        const [record] = await front.records();
        expect(record?.event).toMatchObject({
          kind: 'message',
          conversation: { name: 'ddfcd489-628b-40d7-b48b-57002df800e5:AAMkAGUwNjQ4ZjIxLTQ3Y2YtNDViMi1iZjc4LTMA=' },
          destination: { kind: 'mail', mailbox: 'ddfcd489-628b-40d7-b48b-57002df800e5' },
        });
        expect(JSON.stringify(record)).not.toContain('a-hand-made-client-state');
      });

      it('accepts the sample of a rich notification once it is covered by the sample token, and keeps no ciphertext', async () => {
        const at = front.clock.now();
        const content = {
          id: '1565047490246',
          body: { contentType: 'text', content: 'Hello World' },
          createdDateTime: iso(at),
        };
        const encryptedContent = encryptGraphContent(content, certificate.publicKey, certificate.id);
        const item = {
          ...richSample,
          tenantId: SAMPLE_TENANT,
          clientState: mailSample.value[0].clientState,
          encryptedContent,
        };
        const token = signGraphToken({ key: issuer.key, tenantId: SAMPLE_TENANT, clientId: SAMPLE_CLIENT, at });
        expect((await send({ value: [item], validationTokens: [token] })).headers.get('x-sallyport-outcome')).toBe(
          'accepted',
        );
        const [record] = await front.records();
        expect(record?.event).toMatchObject({
          conversation: { name: '19:f127a8c55ad949d1a238464d22f0f99e@thread.skype:1565045424600' },
          payload: { content: { body: { content: 'Hello World' } } },
        });
        const kept = JSON.stringify(record);
        for (const secret of [token, encryptedContent.data, encryptedContent.dataKey])
          expect(kept).not.toContain(secret);
      });

      it('accepts the sample of a lifecycle notification on either URL', async () => {
        expect((await send({ value: [lifecycleSample] })).headers.get('x-sallyport-outcome')).toBe('accepted');
        // The first still waits, so the second says nothing new.
        const again = await send({ value: [lifecycleSample] }, '/lifecycle');
        expect(again.headers.get('x-sallyport-outcome')).toBe('duplicate');
        expect((await front.records())[0]?.event).toMatchObject({ kind: 'lifecycle' });
      });
    });

    const collected = samples('vectors/protocol-vectors.json');

    collected.describe("the vectors of Microsoft's own SDK", () => {
      interface Printed {
        readonly id: string;
        readonly input: { readonly body: { readonly value: readonly object[] } };
      }
      const vectors = collected.json<{ vectors: readonly Printed[] }>()?.vectors ?? [];

      it('accept each sample notification as it is printed, placeholders and all', async () => {
        const { body } = vectors.find(({ id }) => id === 'graph.notification.mail')?.input ?? { body: { value: [] } };
        const item = { ...body.value[0], clientState: mailSample.value[0].clientState };
        expect((await send({ value: [item] })).headers.get('x-sallyport-outcome')).toBe('accepted');
      });
    });
  });
}

const iso = (at: number): string => new Date(at).toISOString();
