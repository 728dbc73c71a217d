import * as z from 'zod';
import { canonicalJson } from '../json/canonical-json.ts';
import type { ChainHead } from './chain.ts';

/** Says under a signature how a tenant's chain ended at some time. Who holds one sees whether a later export ends before it. */
export interface Checkpoint extends ChainHead {
  readonly tenant: string;
  /** UTC, when it was made. */
  readonly at: string;
  /** Ed25519 over `checkpointText`, in base64. */
  readonly signature: string;
}

/** What is signed: the canonical form (RFC 8785) of all but the signature. */
export const checkpointText = ({ tenant, seq, hash, at }: Omit<Checkpoint, 'signature'>): string =>
  canonicalJson({ tenant, seq, hash, at });

export const checkpointSchema: z.ZodType<Checkpoint> = z.strictObject({
  tenant: z.string().min(1),
  seq: z.int().min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.iso.datetime({ precision: 3 }),
  signature: z.base64(),
});
