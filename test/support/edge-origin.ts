import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import {
  createRelayKeys,
  type RelayBatch,
  type RelayOutcome,
  type RelayResult,
  readRelayHead,
  relayHeader,
  signRelayAnswer,
  verifyRelayRequest,
} from '../../src/core/relay.ts';
import type { RelayRequest, RelayResponse } from '../../src/queue/edge/forward.ts';

export const relayKeys = createRelayKeys([new Uint8Array(32).fill(9)], nodeCrypto);

/** What the origin says to a batch. */
export interface Reply {
  readonly status: number;
  /** Text of the body; JSON unless it is a text. */
  readonly body: unknown;
  readonly retryAfter?: string;
  /** Absent: signed with the right key. */
  readonly signature?: string | null;
}

/** A reply, or `lost`: no answer comes. */
export type Script = (batch: RelayBatch) => Reply | 'lost';

export interface ScriptedOrigin {
  /** What is said from now on. */
  says(script: Script): void;
  readonly post: (request: RelayRequest) => Promise<RelayResponse>;
  /** Batches in the order of their arrival. */
  readonly batches: RelayBatch[];
}

export const resultsFor = ({ events }: RelayBatch, outcomeOf: (id: string) => RelayOutcome): RelayResult[] =>
  events.map(({ event }) => ({ id: event.id, outcome: outcomeOf(event.id) }));

export const accepts: Script = (batch) => ({
  status: 200,
  body: { v: 1, results: resultsFor(batch, () => 'accepted') },
});

export const fails =
  (status: number, rest: Partial<Reply> = {}): Script =>
  () => ({ status, body: { v: 1, code: 'ERR_INTERNAL' }, ...rest });

/** An origin that checks what it is sent as Node does and answers as it is told. */
export function createScriptedOrigin(now: () => number): ScriptedOrigin {
  let script: Script = accepts;
  const batches: RelayBatch[] = [];
  return {
    says: (next) => {
      script = next;
    },
    batches,
    async post({ headers, body }) {
      const head = readRelayHead(new Headers(headers), now());
      verifyRelayRequest(head, body, relayKeys, nodeCrypto);
      const batch = JSON.parse(Buffer.from(body).toString('utf8')) as RelayBatch;
      batches.push(batch);
      const reply = script(batch);
      if (reply === 'lost') throw new Error('connection reset');
      const text = new TextEncoder().encode(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body));
      const signed = signRelayAnswer({ nonce: head.nonce, status: reply.status, body: text }, relayKeys, nodeCrypto);
      const signature = reply.signature === undefined ? signed : reply.signature;
      return {
        status: reply.status,
        headers: new Headers({
          ...(signature === null ? {} : { [relayHeader.signature]: signature }),
          ...(reply.retryAfter === undefined ? {} : { 'retry-after': reply.retryAfter }),
        }),
        body: text,
      };
    },
  };
}
