import { expect, it, onTestFinished } from 'vitest';
import { createContentOpener } from '../../../src/channels/graph/read/decrypt.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { encryptGraphContent, signGraphToken } from '../../../src/testing/graph/signer.ts';
import { graphVectors } from '../../contracts/graph-vectors.contract.ts';
import { mailSample, richSample, SAMPLE_CLIENT, SAMPLE_TENANT } from '../../fixtures/graph-samples.ts';
import { openNodeFront } from '../../support/fronts.ts';
import { certificate, openGraphGate } from '../../support/graph-gate.ts';
import { samples } from '../../support/needs.ts';

graphVectors('Node', openNodeFront);

it('what came inside a rich notification is not fetched', async () => {
  const gate = await openGraphGate({ graph: { tenantId: SAMPLE_TENANT, clientId: SAMPLE_CLIENT } });
  onTestFinished(() => gate.stop());
  const at = gate.clock.now();
  const content = {
    id: '1565047490246',
    body: { contentType: 'text', content: 'Hello World' },
    createdDateTime: new Date(at).toISOString(),
  };
  const encryptedContent = encryptGraphContent(content, certificate.publicKey, certificate.id);
  const { clientState } = mailSample.value[0];
  const item = { ...richSample, tenantId: SAMPLE_TENANT, clientState, encryptedContent };
  const token = signGraphToken({ key: gate.graph.key, tenantId: SAMPLE_TENANT, clientId: SAMPLE_CLIENT, at });
  await gate.post('', { body: JSON.stringify({ value: [item], validationTokens: [token] }) });
  await gate.work();
  expect(await gate.events()).toMatchObject([{ attempts: 1 }]);
  expect(gate.graph.calls.filter(({ path }) => path.startsWith('/teams'))).toEqual([]);
});

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
    const { input, expect: expected } = vector('graph.rich.decrypt');
    const { encryptedContent, private_key_pem: privateKey } = input;
    const key = { id: encryptedContent.encryptionCertificateId, privateKey };
    const opened = await createContentOpener(nodeCrypto, [key])(encryptedContent);
    expect(opened).toEqual({ kind: 'opened', resource: JSON.parse(expected.plaintext) });
    const data = vector('graph.rich.tampered').input.replace.data;
    const refused = await createContentOpener(nodeCrypto, [key])({ ...encryptedContent, data });
    expect(refused).toEqual({ kind: 'refused', reason: 'undecryptable' });
  });
});
