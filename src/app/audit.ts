import type { RecordAudit } from '../core/audit/entry.ts';
import type { Logger } from '../core/logger.ts';
import { createAudit } from '../ops/audit.ts';
import type { Store } from '../queue/store.ts';
import type { Scrub } from '../scrub/scrub.ts';

/** The one way into the audit. */
export const openAudit = ({ audit: store }: Store, scrub: Scrub, logger: Logger): RecordAudit =>
  createAudit({ store, scrub, clock: Date.now, logger });
