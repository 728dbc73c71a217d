import { describe, expect, test } from 'vitest';
import { type AuditEntry, chainAfter, EMPTY, hashOf, type TimedNote } from '../../../src/core/audit/chain.ts';
import { verifyChain } from '../../../src/core/audit/verify.ts';
import { sha256 } from '../../../src/core/crypto/sha256.node.ts';
import { canonicalJson } from '../../../src/core/json/canonical-json.ts';

const notes: TimedNote[] = Array.from({ length: 6 }, (_, n) => ({
  at: 1_900_000_000_000 + n,
  actor: 'user:ada',
  action: 'event.redriven',
  subject: `ev_${n}`,
  data: { generation: n, nested: { list: [1, 'two', null] } },
}));
const chain = chainAfter(EMPTY, 'acme', notes, sha256);
const head = { seq: 6, hash: chain[5]?.hash ?? '' };
const at = (n: number): AuditEntry => chain[n] as AuditEntry;
const faultOf = (entries: Iterable<unknown>, known: { seq: number; hash: string }[] = []) => {
  const verdict = verifyChain(entries, sha256, known);
  return verdict.ok ? 'whole' : `${verdict.seq} ${verdict.fault}`;
};
/** What somebody writes who knows how hashes are made. */
const forged = (entry: AuditEntry): AuditEntry => ({ ...entry, hash: hashOf(entry, sha256) });
const replaced = (n: number, entry: unknown): unknown[] => chain.map((one, i) => (i === n ? entry : one));

test('a whole chain verifies, and so does its later part, which says where it begins', () => {
  expect(verifyChain(chain, sha256)).toEqual({ ok: true, entries: 6, chain: { tenant: 'acme', first: 1, head } });
  expect(verifyChain(chain.slice(3), sha256)).toMatchObject({ ok: true, chain: { first: 4, head } });
  expect(verifyChain([], sha256)).toEqual({ ok: true, entries: 0 });
});

describe('what somebody does to a chain is found', () => {
  const alterations: readonly [string, Partial<AuditEntry>][] = [
    ['time', { at: '2031-01-01T00:00:00.000Z' }],
    ['actor', { actor: 'user:eve' }],
    ['action', { action: 'event.resolved' }],
    ['subject', { subject: 'ev_9' }],
    ['data', { data: { generation: 2, nested: { list: [1, 'two', 0] } } }],
    ['previous hash', { prev: at(0).hash }],
    ['hash', { hash: at(0).hash }],
  ];
  test.each(alterations)('an altered %s', (_, change) => {
    expect(faultOf(replaced(2, { ...at(2), ...change }))).toBe('3 altered');
  });
  test('an altered tenant', () => {
    expect(faultOf(replaced(2, { ...at(2), tenant: 'globex' }))).toBe('3 foreign');
    expect(faultOf(chain.map((entry) => ({ ...entry, tenant: 'globex' })))).toBe('1 altered');
  });
  test('an altered entry with a new hash, by the entry after it', () => {
    expect(faultOf(replaced(2, forged({ ...at(2), subject: 'ev_9' })))).toBe('4 forked');
  });
  test('a removed entry, or several', () => {
    expect(faultOf(chain.toSpliced(2, 1))).toBe('3 missing');
    expect(faultOf(chain.toSpliced(1, 3))).toBe('2 missing');
    expect(faultOf(chain.toSpliced(2, 1).map((entry, n) => ({ ...entry, seq: n + 1 })))).toBe('3 altered');
  });
  test('entries in another order', () => {
    expect(faultOf([...chain].reverse())).toBe('5 misplaced');
    expect(faultOf([at(0), at(2), at(1), at(3)])).toBe('2 missing');
  });
  test('an inserted entry, and one that is there twice', () => {
    expect(faultOf(chain.toSpliced(3, 0, forged({ ...at(3), subject: 'ev_9' })))).toBe('4 misplaced');
    expect(faultOf(chain.toSpliced(3, 0, at(2)))).toBe('3 misplaced');
  });
  test('two chains sewn together', () => {
    const [, ...others] = chainAfter(
      EMPTY,
      'acme',
      notes.map((note) => ({ ...note, actor: 'system' as const })),
      sha256,
    );
    expect(faultOf([...chain.slice(0, 3), ...others.slice(2)])).toBe('4 forked');
  });
  test('a first entry that follows nothing of this chain', () => {
    expect(faultOf([forged({ ...at(0), prev: at(3).hash })])).toBe('1 forked');
  });
  test.each([
    ['no object', 'text'],
    ['a missing field', { ...at(2), prev: undefined }],
    ['a field of its own', { ...at(2), more: 1 }],
    ['an action nobody knows', forged({ ...at(2), action: 'run.hidden' as 'run.finished' })],
    ['half a number', { ...at(2), seq: 2.5 }],
  ])('%s', (_, entry) => {
    expect(faultOf(replaced(2, entry))).toBe('3 malformed');
  });
});

test('a member called __proto__ is content like any other, which no hash of ours covers', () => {
  const withMore = (text: string, more: string): unknown =>
    JSON.parse(text.replace(more, `${more}"__proto__":{"by":1},`));
  const text = JSON.stringify(at(2));
  expect(faultOf(replaced(2, withMore(text, '"data":{')))).toBe('3 altered');
  expect(faultOf(replaced(2, withMore(text, '"nested":{')))).toBe('3 altered');
  expect(faultOf(replaced(2, withMore(text, '{')))).toBe('3 malformed');
});

test('a removed end is found by who knows an entry of it, and by nobody else', () => {
  const cut = chain.slice(0, 4);
  expect(faultOf(cut)).toBe('whole');
  expect(faultOf(cut, [head])).toBe('5 cut-off');
  expect(faultOf(cut, [at(2), at(3)])).toBe('whole');
  expect(faultOf([], [head])).toBe('1 cut-off');
});

test('a chain that was made anew is found by who knows an entry of the true one', () => {
  const anew = chainAfter(
    EMPTY,
    'acme',
    notes.map((note) => ({ ...note, subject: 'other' })),
    sha256,
  );
  expect(faultOf(anew)).toBe('whole');
  expect(faultOf(anew, [head])).toBe('6 not-the-known');
  expect(faultOf(anew, [at(1)])).toBe('2 not-the-known');
});

test('a chain that was made anew is found although its own end was signed after the true one', () => {
  const anew = chainAfter(
    { seq: 5, hash: at(4).hash },
    'acme',
    [{ ...(notes[5] as TimedNote), subject: 'other' }],
    sha256,
  );
  const newHead = { seq: 6, hash: anew[0]?.hash ?? '' };
  expect(faultOf([...chain.slice(0, 5), ...anew], [head, newHead])).toBe('6 not-the-known');
  expect(faultOf([...chain.slice(0, 5), ...anew], [newHead, head])).toBe('6 not-the-known');
  expect(faultOf(chain, [head, head])).toBe('whole');
});

test('a later part that does not follow the entry known before it is found', () => {
  expect(faultOf(chain.slice(3), [at(2)])).toBe('whole');
  expect(faultOf([forged({ ...at(3), prev: at(0).hash })], [at(2)])).toBe('4 not-the-known');
});

test('how an entry is written down is RFC 8785: sorted keys, no space, ECMAScript’s strings and numbers', () => {
  // Its section 3.2.3 has this object.
  const object = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew',
    '1': 'One',
    '\ud83d\ude00': 'Smiley',
  };
  expect(canonicalJson({ ...object, '\u0080': 'Control', '\u00f6': 'Latin' })).toBe(
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin","€":"Euro Sign","😀":"Smiley","\ufb33":"Hebrew"}',
  );
  expect(canonicalJson({ b: [1e21, 0.002, -0, true, null], a: '\u0007"\\/é' })).toBe(
    '{"a":"\\u0007\\"\\\\/é","b":[1e+21,0.002,0,true,null]}',
  );
});

test('the hash of an entry is the one the documentation shows', () => {
  const entry = {
    seq: 1,
    at: '2026-11-22T09:30:00.000Z',
    tenant: 'acme',
    actor: 'user:ada',
    action: 'budget.kill',
  } as const;
  const rest = { subject: 'acme', data: { on: true }, prev: EMPTY.hash };
  expect(hashOf({ ...entry, ...rest }, sha256)).toMatchInlineSnapshot(
    `"f24f9c0ec2505096f7d98e45befbef353d233ee781fca2b48f7ab15d04b2eb08"`,
  );
});
