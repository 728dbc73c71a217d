import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createVerifier } from '../../../src/channels/slack/receive/verify.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { type SlackTamper, signSlackRequest, slackJson, slackMessage } from '../../../src/testing/slack/signer.ts';
import { official, spoiled } from '../../fixtures/slack-signatures.ts';
import { samples } from '../../support/needs.ts';
import { codeThrownBy, delivery, NOW, SECRET, slackChannel } from './slack-harness.ts';

interface Attempt {
  readonly timestamp?: string | null | undefined;
  readonly signature?: string | null | undefined;
  readonly body?: string | Uint8Array | undefined;
  readonly now?: number | undefined;
  readonly secrets?: readonly string[];
}

/** The code that verifying Slack's own example ends in, with some of its parts replaced; null leaves a header out. */
function verify(attempt: Attempt = {}): string {
  const { secrets = [official.secret], now = Number(official.timestamp), body = official.body } = attempt;
  const { timestamp = official.timestamp, signature = official.signature } = attempt;
  const headers = new Map([
    ['x-slack-request-timestamp', timestamp],
    ['x-slack-signature', signature],
  ]);
  const request = { headers: { get: (name: string) => headers.get(name) ?? null }, receivedAt: now * 1000 };
  return codeThrownBy(() => createVerifier(nodeCrypto, secrets)({ ...request, body: Buffer.from(body) }));
}

describe('the Slack signature', () => {
  it("accepts Slack's published example", () => {
    expect(verify()).toBe('none');
  });

  it.each(spoiled.map((one) => [one.name, one] as const))('refuses %s', (_, { code, ...parts }) => {
    expect(verify(parts)).toBe(code);
  });

  it.each([-300, -1, 0, 1, 300])('accepts a clock that is %i seconds apart', (seconds) => {
    expect(verify({ now: Number(official.timestamp) + seconds })).toBe('none');
  });

  it('counts whole seconds, as Slack dates its requests', () => {
    expect(verify({ now: Number(official.timestamp) + 300.999 })).toBe('none');
  });

  it('is made over bytes, not over text', () => {
    const body = Buffer.from('7b2261223a22ff227d', 'hex');
    const signature = 'v0=e4bdac6985a4122369322eecd9bb10dd0089372e51215015b30345178bb4d6ee';
    expect(verify({ body, signature })).toBe('none');
    const asText = createHmac('sha256', SECRET).update(`v0:${official.timestamp}:${body.toString()}`).digest('hex');
    expect(verify({ body, signature: `v0=${asText}` })).toBe('ERR_SIGNATURE_MISMATCH');
  });

  it('covers text outside ASCII', () => {
    const body = '{"type":"event_callback","event":{"type":"message","text":"café 🤖"}}';
    const signature = 'v0=5e19d1dd21d8ee842f301aa20c0680e3f75f8ce85d6e123c56fef3450fa8ee93';
    expect(verify({ body, signature })).toBe('none');
  });

  it.each([[['another-secret-of-ours', official.secret]], [[official.secret, 'another-secret-of-ours']]])(
    'accepts any of several secrets',
    (secrets) => {
      expect(verify({ secrets })).toBe('none');
    },
  );

  it('refuses what none of several secrets signed', () => {
    expect(verify({ secrets: ['one-secret-of-ours', 'another-secret-of-ours'] })).toBe('ERR_SIGNATURE_MISMATCH');
  });

  it.each([[[]], [['']], [['   ']], [[SECRET, '']]])('does not start with the secrets %j', (secrets) => {
    expect(codeThrownBy(() => createVerifier(nodeCrypto, secrets))).toBe('ERR_CONFIG_INVALID');
  });

  it('says nothing about the request in its errors', () => {
    const channel = slackChannel();
    const request = signSlackRequest({ contentType: 'text/plain', body: 'sensitive' }, { signingSecret: 'x', at: NOW });
    expect(() => channel.receive(delivery(request))).toThrow(/^the request does not carry/);
  });
});

describe('the Slack signer', () => {
  const body = slackJson(slackMessage({ text: 'hello', at: NOW }));
  const sent = (tamper?: SlackTamper) =>
    codeThrownBy(() =>
      slackChannel().receive(
        delivery(signSlackRequest(body, { signingSecret: SECRET, at: NOW, ...(tamper && { tamper }) })),
      ),
    );

  it.each([
    [undefined, 'none'],
    ['stale', 'ERR_TIMESTAMP_OUTSIDE_TOLERANCE'],
    ['future', 'ERR_TIMESTAMP_OUTSIDE_TOLERANCE'],
    ['wrong-key', 'ERR_SIGNATURE_MISMATCH'],
    ['altered', 'ERR_SIGNATURE_MISMATCH'],
  ] as const)('with tamper %s ends in %s', (tamper, code) => {
    expect(sent(tamper)).toBe(code);
  });

  it('alters even a body of one byte', () => {
    const request = signSlackRequest(
      { contentType: 'application/json', body: '1' },
      { signingSecret: SECRET, at: NOW, tamper: 'altered' },
    );
    expect(codeThrownBy(() => slackChannel().receive(delivery(request)))).toBe('ERR_SIGNATURE_MISMATCH');
  });
});

interface Vector {
  readonly id: string;
  readonly input: {
    readonly signing_secret: string;
    readonly timestamp?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
    readonly body_hex?: string;
    readonly now?: number;
  };
  readonly expect: { readonly accept: boolean; readonly signature?: string };
}

const collected = samples('vectors/protocol-vectors.json');

collected.describe('collected signature vectors', () => {
  const all = collected.json<{ vectors: readonly Vector[] }>()?.vectors ?? [];
  const vectors = all.filter(({ id }) => id.startsWith('slack.sig.'));

  it.each(vectors.map((vector) => [vector.id, vector] as const))('%s', (_, { input, expect: wanted }) => {
    const timestamp = input.timestamp ?? input.headers?.['x-slack-request-timestamp'] ?? null;
    const signature = wanted.signature ?? input.headers?.['x-slack-signature'] ?? null;
    const body = input.body_hex === undefined ? input.body : Buffer.from(input.body_hex, 'hex');
    const now = input.now ?? Number(timestamp);
    expect(verify({ timestamp, signature, body, now, secrets: [input.signing_secret] }) === 'none').toBe(wanted.accept);
  });

  it('are all there', () => {
    expect(vectors).toHaveLength(15);
  });
});
