import type { Effort } from './effort.ts';
import type { KnownValues } from './known-values.ts';
import type { Placeholder } from './placeholder.ts';
import type { Scanned, Scanner } from './scan.ts';
import type { Finding, Scrubbed } from './scrub.ts';
import { type CleanText, createTextCleaner, type OnRound } from './text.ts';
import type { Cleaned } from './tree.ts';

/**
 * Hiding a value can bring new neighbours together, and what is found between them can be repeated again. Real records
 * need one round, and the look that confirms it.
 */
const ROUNDS = 3;

/** What was found in one string of a judged record is hidden in all of them, and everywhere in the same string. */
export function cleanRepeatedly<T>(
  first: Scrubbed<T>,
  {
    judge,
    known,
    isSpent,
    hide,
  }: {
    /** Hides what is recognised where it stands. */
    readonly judge: (value: T) => Scrubbed<T>;
    /** What was recognised so far; null when nothing of it can stand elsewhere. */
    readonly known: () => KnownValues | null;
    /** Whether judging has become a matter of haste, in which another look finds nothing that the first did not. */
    readonly isSpent: () => boolean;
    /** Hides these values wherever they stand. */
    readonly hide: (value: T, known: KnownValues) => Scrubbed<T>;
  },
): Scrubbed<T> {
  let cleaned = first;
  let judged = first;
  for (let round = 0; round < ROUNDS && judged.findings.length > 0; round += 1) {
    const values = known();
    if (values === null) break;
    const hidden = hide(cleaned.value, values);
    if (hidden.findings.length === 0) break;
    cleaned = { value: hidden.value, findings: added(cleaned.findings, hidden.findings) };
    if (isSpent()) break;
    judged = judge(cleaned.value);
    cleaned = { value: judged.value, findings: added(cleaned.findings, judged.findings) };
  }
  return cleaned;
}

function added(findings: readonly Finding[], more: readonly Finding[]): readonly Finding[] {
  if (more.length === 0) return findings;
  const all = new Map<string, Finding>();
  for (const finding of [...findings, ...more]) {
    const id = `${finding.rule}\0${finding.path}`;
    all.set(id, { ...finding, count: finding.count + (all.get(id)?.count ?? 0) });
  }
  return [...all.values()];
}

/**
 * Keys of texts that people write, and a text without a key. Only in these a plain word that is a secret elsewhere is
 * replaced, where it is all that a line says: under other keys it is a kind, a state or a name.
 */
const PROSE_KEY =
  /^(?:text|value|title|content|body|bodyPreview|subject|fallback|pretext|label|description|message|summary)$/;

/** Cleans one string of known values, in all the notations in which the scrubber reads texts. `name` is its key. */
export function createRepeatCleaner(
  known: KnownValues,
  {
    scanner,
    last,
    placeholder,
    effort,
  }: {
    readonly scanner: Scanner;
    /** The last text that was found clean; a long one need not be read in all notations again. */
    readonly last: CleanText | null;
    readonly placeholder: Placeholder;
    readonly effort: Effort;
  },
): (text: string, name: string, isLoose: boolean, onRound?: OnRound) => Cleaned | null {
  const scanNotations = (text: string): Scanned =>
    text === last?.text ? { ...last.scanned, hits: [] } : scanner.scanNotations(text);
  let isProse = false;
  const search: Scanner = {
    scan: (text) => ({ ...scanNotations(text), hits: known.find(text, isProse) }),
    scanNotations,
    scanForForms: (text) => known.find(text, isProse),
    readings: (text, marks) => (text === last?.text ? last.readings : scanner.readings(text, marks)),
    isQuiet(text) {
      const { marks, encoded } = scanNotations(text);
      return marks === 0 && encoded.length === 0 && known.isFreeOf(text);
    },
  };
  // A digest takes longer than all else that is done about a short text.
  const markers = new Map<string, string>();
  const remembered: Placeholder = (rule, secret) => {
    const marker = markers.get(secret) ?? placeholder(rule, secret);
    markers.set(secret, marker);
    return marker;
  };
  const clean = createTextCleaner(search, remembered, effort);
  return (text, name, _isLoose, onRound) => {
    isProse = name === '' || PROSE_KEY.test(name);
    return clean(text, '', false, onRound);
  };
}
