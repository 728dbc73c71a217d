import { afterEach, describe, expect, it } from 'vitest';
import { createContentOpener } from '../../../src/channels/graph/read/decrypt.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { encryptGraphContent, signGraphToken } from '../../../src/testing/graph/signer.ts';
import { lifecycleSample, mailSample, richSample, SAMPLE_CLIENT, SAMPLE_TENANT } from '../../fixtures/graph-samples.ts';
import { certificate, type GraphGate, type GraphGateOptions, openGraphGate } from '../../support/graph-gate.ts';
import { samples } from '../../support/needs.ts';

/** Microsoft's published examples, through the front door. */

const TOKEN =
  'Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+25460109-0e8b-4521-8090-dd691b407ed8';

let gate: GraphGate;
afterEach(() => gate.stop());

const open = async (options: GraphGateOptions = {}): Promise<void> => {
  gate = await openGraphGate({ graph: { tenantId: SAMPLE_TENANT, clientId: SAMPLE_CLIENT }, ...options });
};

const send = (body: unknown, rest = ''): Promise<Response> => gate.post(rest, { body: JSON.stringify(body) });

describe('the published samples', () => {
  it('echoes a validation token with its plus signs as spaces, as plain text that no browser sniffs', async () => {
    await open();
    for (const rest of ['', '/lifecycle', `/${'n'.repeat(22)}`, `/lifecycle/${'n'.repeat(22)}`]) {
      const headers = { 'content-type': 'text/plain; charset=utf-8' };
      const response = await gate.post(`${rest}?validationToken=${TOKEN}`, { headers, body: '' });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toMatch(/^text\/plain\b/);
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      expect(await response.text()).toBe(
        'Validation: Testing client application reachability for subscription Request-Id: 25460109-0e8b-4521-8090-dd691b407ed8',
      );
    }
  });

  it('accepts the sample of a new mail, and keeps nothing of its secret', async () => {
    await open();
    expect((await send(mailSample)).headers.get('x-sallyport-outcome')).toBe('accepted');
    const [record] = await gate.events();
    expect(record?.event).toMatchObject({
      kind: 'message',
      conversation: { name: 'ddfcd489-628b-40d7-b48b-57002df800e5:AAMkAGUwNjQ4ZjIxLTQ3Y2YtNDViMi1iZjc4LTMA=' },
      destination: { kind: 'mail', mailbox: 'ddfcd489-628b-40d7-b48b-57002df800e5' },
    });
    expect(JSON.stringify(record)).not.toContain('a-hand-made-client-state');
  });

  it('accepts the sample of a rich notification once it is covered by the sample token, and keeps no ciphertext', async () => {
    await open();
    const at = gate.clock.now();
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
    const token = signGraphToken({ key: gate.graph.key, tenantId: SAMPLE_TENANT, clientId: SAMPLE_CLIENT, at });
    expect((await send({ value: [item], validationTokens: [token] })).headers.get('x-sallyport-outcome')).toBe(
      'accepted',
    );
    const [record] = await gate.events();
    expect(record?.event).toMatchObject({
      conversation: { name: '19:f127a8c55ad949d1a238464d22f0f99e@thread.skype:1565045424600' },
      payload: { content: { body: { content: 'Hello World' } } },
    });
    const kept = JSON.stringify(record);
    for (const secret of [token, encryptedContent.data, encryptedContent.dataKey]) expect(kept).not.toContain(secret);
    await gate.work();
    // What came inside need not be fetched.
    expect(gate.graph.calls.filter(({ path }) => path.startsWith('/teams'))).toEqual([]);
  });

  it('accepts the sample of a lifecycle notification on either URL', async () => {
    await open();
    expect((await send({ value: [lifecycleSample] })).headers.get('x-sallyport-outcome')).toBe('accepted');
    // The first still waits, so the second says nothing new.
    const again = await send({ value: [lifecycleSample] }, '/lifecycle');
    expect(again.headers.get('x-sallyport-outcome')).toBe('duplicate');
    expect((await gate.events())[0]?.event).toMatchObject({ kind: 'lifecycle' });
  });
});

const iso = (at: number): string => new Date(at).toISOString();

interface Vector {
  readonly id: string;
  readonly input: Readonly<Record<string, never>> & {
    encryptedContent: { data: string; dataKey: string; dataSignature: string; encryptionCertificateId: string };
    private_key_pem: string;
    replace: { data: string };
  };
  readonly expect: { readonly plaintext: string };
}

const collected = samples('vectors/protocol-vectors.json');

collected.describe("the vectors of Microsoft's own SDK", () => {
  const vectors = collected.json<{ vectors: readonly Vector[] }>()?.vectors ?? [];
  const vector = (id: string): Vector => vectors.find((one) => one.id === id) as Vector;

  it('decrypts the encrypted message of the test-suite', async () => {
    await open();
    const { input, expect: expected } = vector('graph.rich.decrypt');
    const { encryptedContent, private_key_pem: privateKey } = input;
    const key = { id: encryptedContent.encryptionCertificateId, privateKey };
    const opened = await createContentOpener(nodeCrypto, [key])(encryptedContent);
    expect(opened).toEqual({ kind: 'opened', resource: JSON.parse(expected.plaintext) });
    const data = vector('graph.rich.tampered').input.replace.data;
    const refused = await createContentOpener(nodeCrypto, [key])({ ...encryptedContent, data });
    expect(refused).toEqual({ kind: 'refused', reason: 'undecryptable' });
  });

  it('accepts each sample notification as it is printed, placeholders and all', async () => {
    await open();
    const { body } = vector('graph.notification.mail').input as unknown as { body: { value: object[] } };
    const item = { ...body.value[0], clientState: mailSample.value[0].clientState };
    expect((await send({ value: [item] })).headers.get('x-sallyport-outcome')).toBe('accepted');
  });
});
