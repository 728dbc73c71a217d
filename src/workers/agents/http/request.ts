import { Webhook } from 'standardwebhooks';
import { callbackRunName } from '../../../core/callback-run.ts';
import type { InboundEvent } from '../../../core/event.ts';
import { trimEndOf } from '../../../core/text/trim.ts';
import type { Task } from '../../agent.ts';
import type { HttpAgentSettings } from './settings.ts';

/** Version of the body. Fields may be added to it; it changes when one is removed or means something else. */
const VERSION = 1;

export interface SignedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The request about an event, signed by Standard Webhooks. Its id and body are the same in every attempt of a
 * generation, so that the agent can tell a repetition; only the time and with it the signature are new.
 */
export function signRequest(task: Task, settings: HttpAgentSettings, now: number): SignedRequest {
  const { event, generation } = task;
  // Without a dot: those separate the parts of what is signed.
  const id = `${event.id}-${generation}`;
  const body = JSON.stringify(content(event, generation, settings));
  const at = new Date(now);
  const signatures = settings.keys.map((key) => new Webhook(key, { format: 'raw' }).sign(id, at, body));
  return {
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now / 1000)),
      'webhook-signature': signatures.join(' '),
    },
    body,
  };
}

/** Neither capabilities nor destination nor identity: the agent says what to reply, and the gate knows where. */
function content(event: InboundEvent, generation: number, { name, publicUrl }: HttpAgentSettings) {
  const { id, tenant, channel, kind, conversation, receivedAt, mentioned, author, text, payload } = event;
  const run = callbackRunName({ tenant, agent: name, eventId: id, generation });
  return {
    v: VERSION,
    type: 'event.accepted',
    timestamp: new Date(receivedAt).toISOString(),
    run,
    callbackUrl: publicUrl === undefined ? null : `${trimEndOf(publicUrl, '/')}/callbacks/${run}`,
    event: { id, tenant, channel, kind, conversation, mentioned, author, text, payload },
  };
}
