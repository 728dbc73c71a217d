import { describe, expect, it } from 'vitest';
import { moreTokenKinds } from './corpus/more-tokens.ts';
import { createRandom } from './corpus/random.ts';
import { tokenKinds } from './corpus/tokens.ts';
import { clean } from './support.ts';

/**
 * A text may be cut before it is scrubbed: a log line at its limit, a mail in two parts. The minimum of a kind is the
 * shortest beginning that is hidden together with all longer ones. Neither half may then show a piece of the secret as
 * long as that. Some pieces cannot be told from what they look like: hexadecimal digits alone (a hash), capitals and
 * digits alone (a ULID), a kind and a part (an identifier), and a text that is nothing but a run (an identifier too),
 * so the second half goes on with words.
 */
const isShown = (text: string, piece: string): boolean => clean(text).includes(piece);

const head = (piece: string): string => `please rotate ${piece}`;
const tail = (piece: string): string => `${piece} before friday, thanks`;

function minimumOf(token: string): number {
  let minimum = 1;
  for (let length = 1; length < token.length; length += 1) {
    if (isShown(head(token.slice(0, length)), token.slice(0, length))) minimum = length + 1;
  }
  return minimum;
}

/** Hexadecimal digits, capitals and digits, or a kind and one part, as in `pi_…`. */
const IDENTIFIERS = /^(?:[0-9a-f-]+|[0-9A-Z_-]+|[a-z]{2,12}[_-][A-Za-z0-9]{8,32})$/;

/** Shorter tails are taken for identifiers: many of those have 21 characters. */
const LEAST_TAIL = 22;

/** Their secret is shorter than what makes it one: the password inside an address, the path behind a host. */
const ADDRESSES = new Set(['url-password', 'google-chat-webhook', 'chat-webhook', 'automation-webhook']);
const kinds = [...tokenKinds, ...moreTokenKinds].filter(({ rule }) => !ADDRESSES.has(rule));

describe('a secret cut in two', () => {
  const random = createRandom(5);

  it.each(kinds)('$kind: neither half shows a piece as long as the minimum', ({ make }) => {
    const token = make(random);
    const minimum = Math.max(minimumOf(token), LEAST_TAIL);
    const shown: string[] = [];
    for (let cut = 1; cut <= token.length - minimum; cut += 1) {
      const piece = token.slice(cut);
      if (!IDENTIFIERS.test(piece) && isShown(tail(piece), piece)) shown.push(piece);
    }
    expect(shown).toEqual([]);
  });

  it('a key block is hidden from both sides of any cut', () => {
    const block = kinds.find(({ kind }) => kind === 'rsa key')?.make(random) ?? '';
    const body = block.split('\n').slice(1, -1).join('\n');
    for (let cut = 0; cut < block.length; cut += 7) {
      const halves = clean(head(block.slice(0, cut))) + clean(tail(block.slice(cut)));
      for (let at = 0; at + 40 < body.length; at += 20) expect(halves).not.toContain(body.slice(at, at + 40));
    }
  });
});
