import * as z from 'zod';
import { relayEpochStart } from '../../core/relay.ts';
import type { Records } from '../records.ts';
import { createCollection } from './collection.ts';

/** One try of the edge to hand over a batch. */
export interface RelayAttempt {
  readonly tenant: string;
  /** `{tenant}/{number}`. */
  readonly shard: string;
  readonly epoch: string;
  readonly attempt: number;
}

/** The latest attempt of each shard of the edge: no batch is taken in twice, nor after its successor. */
export interface RelayAttempts {
  /**
   * Notes the attempt. False when it, or a later one of its shard, was noted before, by whichever process. Resolves only
   * when it is durable.
   * @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH when the record cannot be read
   */
  claim(attempt: RelayAttempt): Promise<boolean>;
}

const schema = z.object({ v: z.literal(1), epoch: z.string(), attempt: z.number() });

/** One small record a shard, instead of a table of nonces. */
export function createRelayAttempts(records: Records): RelayAttempts {
  const collection = createCollection(records, 'relay', schema);
  return {
    async claim({ tenant, shard, epoch, attempt }) {
      let isNew = false;
      await collection.update(tenant, shard, (known) => {
        isNew = known === null || isLater({ epoch, attempt }, known);
        return isNew ? { v: 1, epoch, attempt } : known;
      });
      return isNew;
    },
  };
}

type Place = Pick<RelayAttempt, 'epoch' | 'attempt'>;

/** A shard whose storage was lost begins a later epoch, with attempts from 1. */
function isLater(one: Place, other: Place): boolean {
  if (one.epoch === other.epoch) return one.attempt > other.attempt;
  return (relayEpochStart(one.epoch) ?? 0) > (relayEpochStart(other.epoch) ?? 0);
}
