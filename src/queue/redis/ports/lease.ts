import { randomUUID } from 'node:crypto';
import type { EventRecord, HeldReply } from '../../../core/event.ts';
import type { ConversationRef, HeldLease, Lease, NamedLease, Outcome, Taken } from '../../lease.ts';
import { delayAfter } from '../../model/transitions.ts';
import { retentionOf, type StoreLimits } from '../../store.ts';
import { type ScriptArgument, scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';
import { decodeRecord } from './record.ts';

interface LeaseDeps {
  readonly shards: () => Shards;
  readonly limits: StoreLimits;
}

export function createLease({ shards, limits }: LeaseDeps): Lease {
  const process = randomUUID();
  let asked = 0;
  // Names one request, so that a command sent again after a lost reply gets the answer of its first execution.
  const claim = (): string => {
    asked += 1;
    return `${process}:${asked}`;
  };
  const common = ({ tenant, key }: ConversationRef): ScriptArgument[] => [
    ...[shards().now(), tenant, key, claim()],
    ...[limits.leaseMs, limits.maxAttempts, limits.maxAgeMs, retentionOf(limits, tenant)],
  ];

  return {
    async take(conversation) {
      const { keys, run } = shards();
      return taken(conversation, await run(scripts.take, keys.tagOf(conversation.tenant), common(conversation)));
    },
    async extend({ conversation, token }) {
      const { keys, run, now } = shards();
      const args = [now(), conversation.tenant, conversation.key, token, limits.leaseMs];
      return (await run(scripts.extend, keys.tagOf(conversation.tenant), args)) === 1;
    },
    async finish(lease, outcome, more) {
      const { keys, run } = shards();
      const { conversation } = lease;
      const args = [
        ...common(conversation),
        ...ending(lease, outcome),
        limits.maxBackoffMs,
        more ? '1' : '',
        awaitedBy(outcome),
        ...(outcome.kind === 'review' ? holding(outcome.review) : []),
      ];
      return taken(conversation, await run(scripts.finish, keys.tagOf(conversation.tenant), args));
    },
    acquire: (name, ttlMs) => acquireNamed(shards(), name, ttlMs),
  };
}

function ending({ token, eventId, run }: HeldLease, outcome: Outcome): ScriptArgument[] {
  const code = 'code' in outcome ? outcome.code : '';
  return [token, eventId, run, outcome.kind, JSON.stringify(outcome.run), code, delayAfter(outcome)];
}

const awaitedBy = (outcome: Outcome): string => (outcome.kind === 'wait' ? (outcome.awaited ?? '') : '');

const holding = (review: HeldReply): ScriptArgument[] => [JSON.stringify(review), review.digest, review.expiresAt];

type Reply =
  | readonly ['head', token: number, run: number, fields: readonly string[]]
  | readonly ['held' | 'later', at: number]
  | readonly ['empty' | 'handed' | 'stale'];

function taken(conversation: ConversationRef, answer: unknown): Taken {
  const reply = answer as Reply;
  switch (reply[0]) {
    case 'head': {
      const record = decodeRecord(reply[3]) as EventRecord;
      return {
        kind: 'head',
        record,
        lease: { conversation, eventId: record.event.id, token: reply[1], run: reply[2] },
      };
    }
    case 'held':
    case 'later':
      return { kind: reply[0], at: reply[1] };
    default:
      return { kind: reply[0] };
  }
}

/** Leases by name live in the shard that the name's hash chooses. */
export async function acquireNamed(
  { keys, client, run, failed }: Shards,
  name: string,
  ttlMs: number,
): Promise<NamedLease | null> {
  const tag = keys.tagOf(name);
  const holder = randomUUID();
  const hold = async (ms: number): Promise<boolean> => (await run(scripts.hold, tag, [name, holder, ms])) === 1;
  try {
    // Sent again after a lost reply it finds its own holder there.
    const previous = await client.set(`${tag}:lock:${name}`, holder, 'PX', ttlMs, 'NX', 'GET');
    if (previous !== null && previous !== holder) return null;
  } catch (error) {
    throw failed(error);
  }
  return {
    renew: () => hold(ttlMs),
    release: async () => void (await hold(0)),
  };
}
