import { z } from 'zod';
import { durationAtLeast } from './values.ts';

/** The chain of who did what. */
export const auditSchema = z
  .strictObject({
    /** Older entries are trimmed. An export verifies without them and says where it begins. */
    keep: durationAtLeast(3_600_000, 'what happened must be readable for a while').prefault('90d'),
  })
  .prefault({});

export const auditEnvironment: Readonly<Record<string, readonly string[]>> = {
  SALLYPORT_AUDIT_KEEP: ['audit', 'keep'],
};
