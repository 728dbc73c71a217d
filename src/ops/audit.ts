import type { AuditNote, RecordAudit } from '../core/audit/entry.ts';
import type { Clock } from '../core/clock.ts';
import { codeOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Meter } from '../core/meter.ts';
import { capRecord, type RecordLimits } from '../core/text/cap.ts';
import type { Audit } from '../queue/audit.ts';

type ScrubRecord = <T>(value: T, options?: { readonly identifiers?: readonly string[] }) => { readonly value: T };

/** Of a name that is not ours: a token's subject, a channel's id of a person. */
const MAX_NAME_CHARS = 256;

/** The one way into the audit: whatever rooms have to tell is cleaned here, gets its time and is durable afterwards. */
export function createAudit({
  store,
  scrub,
  clock,
  logger,
  meter,
}: {
  readonly store: Pick<Audit, 'append'>;
  readonly scrub: ScrubRecord;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}): RecordAudit {
  const clean = createCleaner(scrub);
  return async (tenant, notes) => {
    if (notes.length === 0) return;
    const at = clock();
    try {
      await store.append(
        tenant,
        notes.map((note) => ({ ...clean(note), at })),
      );
      meter.audited('written', notes.length);
    } catch (error) {
      meter.audited('failed', notes.length);
      logger.error({ tenant, entries: notes.length, code: codeOf(error) }, 'audit.unwritten');
      throw error;
    }
  };
}

/** Of one note's data: words and figures. The longest is a reviewer's reason, whose request has at most 64 KiB. */
const LIMITS: RecordLimits = { textChars: 64 * 1024, recordChars: 128 * 1024 };

/** Notes that were found clean and are remembered: of a run that ended they differ in ids, figures and who asked. */
const MAX_KNOWN = 2_000;
/**
 * What differs from one note to the next and cannot be a secret: our own ids, digests, and figures. Not what looks like them inside
 * a string, where each `"` has a backslash before it.
 */
const VARYING = /(?<!\\)"ev_[0-9A-Z]{26}"|(?<=[^\\]"argumentsSha256":)"[0-9a-f]{64}"|(?<=[^\\]":)\d{1,15}(?=[,}])/g;

/** Scrubs what was not scrubbed before: doing so for each run would take as long as all the rest of its entry. */
function createCleaner(scrub: ScrubRecord): (note: AuditNote) => AuditNote {
  const known = new Set<string>();
  return ({ actor, action, subject, data }) => {
    const names = { actor: actor.slice(0, MAX_NAME_CHARS), subject: subject.slice(0, MAX_NAME_CHARS) };
    // Nothing undefined, and no half of a surrogate pair: RFC 8785 knows neither.
    const text = JSON.stringify({ ...names, action, data: capRecord(data, LIMITS) }).replace(
      /\\ud[89a-f][0-9a-f]{2}/g,
      '\\ufffd',
    );
    const plain = JSON.parse(text) as AuditNote;
    const kind = text.replace(VARYING, '0');
    if (known.has(kind)) return plain;
    const { value } = scrub(plain, { identifiers: [plain.actor, plain.subject] });
    if (value === plain) {
      if (known.size >= MAX_KNOWN) known.clear();
      known.add(kind);
    }
    return { ...value, action };
  };
}
