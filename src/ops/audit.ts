import type { AuditNote, RecordAudit } from '../core/audit.ts';
import type { Clock } from '../core/clock.ts';
import { codeOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Audit } from '../queue/audit.ts';

export interface AuditDeps {
  readonly store: Pick<Audit, 'append'>;
  readonly scrub: <T>(value: T) => { readonly value: T };
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of a name that is not ours: a token's subject, a channel's id of a person. */
const MAX_NAME_CHARS = 256;

/** The one way into the audit: whatever rooms have to tell is cleaned here, gets its time and is durable afterwards. */
export function createAudit({ store, scrub, clock, logger }: AuditDeps): RecordAudit {
  return async (tenant, notes) => {
    const at = clock();
    const { value } = scrub(notes.map(plain));
    try {
      await store.append(
        tenant,
        value.map((note, n) => ({ ...note, action: (notes[n] as AuditNote).action, at })),
      );
    } catch (error) {
      logger.error({ tenant, entries: notes.length, code: codeOf(error) }, 'audit.unwritten');
      throw error;
    }
  };
}

/** JSON that reads the same everywhere: nothing undefined, and no half of a surrogate pair, which RFC 8785 does not know. */
function plain({ actor, action, subject, data }: AuditNote): AuditNote {
  const names = { actor: actor.slice(0, MAX_NAME_CHARS), subject: subject.slice(0, MAX_NAME_CHARS) };
  const text = JSON.stringify({ ...names, action, data });
  return JSON.parse(text.replace(/\\ud[89a-f][0-9a-f]{2}/g, '\\ufffd')) as AuditNote;
}
