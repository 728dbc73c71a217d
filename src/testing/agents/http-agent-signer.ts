import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { webhookKey } from '../../core/crypto/webhook-key.ts';

/** Ways to spoil a callback that would otherwise be correct. Each of them must be answered 401. */
export type CallbackTamper = 'stale' | 'future' | 'wrong-key' | 'altered';

/** One second more than the tolerance of Standard Webhooks. */
const OUTSIDE_TOLERANCE_SECONDS = 301;
/** What is dated ahead must still be ahead when it is read: so much may pass on the way, in seconds. */
const ON_THE_WAY_SECONDS = 30;

/** What an agent says, in its response or by callback. docs/http-agent.md. */
export interface HttpAgentAnswer {
  readonly reply?: { readonly text: string };
  /** What is left out counts as all that was reserved of it. */
  readonly usage?: {
    readonly inputTokens?: number;
    readonly outputTokens?: number;
    readonly usdMicros?: number;
    readonly modelCalls?: number;
    readonly toolCalls?: number;
  };
  /** A person looks at the reply first. */
  readonly review?: boolean;
}

export interface CallbackSigning {
  readonly secret: string;
  /** As the request named it. */
  readonly run: string;
  readonly answer: HttpAgentAnswer;
  /** Epoch ms that the callback claims to be made at. Default: now. */
  readonly at?: number;
  /** Default: a fresh one. */
  readonly id?: string;
  readonly tamper?: CallbackTamper;
}

/** A callback ready for `fetch`, to be posted to `/callbacks/{run}`. */
export interface SignedCallback {
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The signer and verifier of a secret, as the gate reads it: `whsec_` and base64, or text as it is written.
 * @throws Error for a secret the gate refuses
 */
export function webhookOf(secret: string): Webhook {
  const key = webhookKey(secret);
  if (key === null) throw new Error('the secret must be whsec_ and base64, or other text, of 16 bytes at least');
  return new Webhook(key, { format: 'raw' });
}

/** Signs a callback as an agent does, or wrongly in exactly the way `tamper` names. */
export function signCallback(signing: CallbackSigning): SignedCallback {
  const { secret, run, answer, at = Date.now(), id = `msg_${randomUUID()}`, tamper } = signing;
  const body = JSON.stringify({ run, ...answer });
  const seconds = Math.floor(at / 1000) + shiftOf(tamper);
  const webhook = webhookOf(tamper === 'wrong-key' ? `not-${secret}` : secret);
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': webhook.sign(id, new Date(seconds * 1000), body),
    },
    // White space that JSON does not mind: only the signature can tell.
    body: tamper === 'altered' ? `${body} ` : body,
  };
}

function shiftOf(tamper: CallbackTamper | undefined): number {
  if (tamper === 'stale') return -OUTSIDE_TOLERANCE_SECONDS;
  return tamper === 'future' ? OUTSIDE_TOLERANCE_SECONDS + ON_THE_WAY_SECONDS : 0;
}
