import { describe, expect, it } from 'vitest';
import { countFindings, createScrubber } from '../../../src/scrub/scrubber.ts';
import { ALNUM, createRandom } from './corpus/random.ts';
import { clean, deps, scrub } from './support.ts';

const token = ['gh', 'p_', createRandom(9).chars(ALNUM, 36)].join('');
const key = createRandom(10).chars(ALNUM, 24);

describe('scrubbing a tree', () => {
  it('says which rule found how many secrets where, and never the secret', () => {
    const { value, findings } = scrub({ event: { blocks: [{ text: `a ${token} b ${token}` }], 'odd key': token } });
    expect(JSON.stringify({ value, findings })).not.toContain(token);
    expect(findings).toEqual([
      { rule: 'github-token', path: 'event.blocks[0].text', count: 2 },
      { rule: 'github-token', path: 'event["odd key"]', count: 1 },
    ]);
  });

  it('counts each finding by its rule where it has a meter, and changes nothing else', () => {
    const counted: [string, number][] = [];
    const counting = countFindings(scrub, { scrubbed: (rule, count) => void counted.push([rule, count]) });
    const record = { texts: [`a ${token} b ${token}`], id: token };
    expect(counting(record, { identifiers: [token] })).toEqual(scrub(record, { identifiers: [token] }));
    expect(counted).toEqual(scrub(record, { identifiers: [token] }).findings.map(({ rule, count }) => [rule, count]));
    expect(counted).toContainEqual(['github-token', 2]);
  });

  it('returns a bare string with an empty path', () => {
    expect(scrub(`x ${token}`).findings).toEqual([{ rule: 'github-token', path: '', count: 1 }]);
  });

  it('copies only what changed', () => {
    const clean = { deep: [1, 'two'] };
    const tree = { clean, dirty: [token], also: clean };
    const { value } = scrub(tree);
    expect(value).not.toBe(tree);
    expect(value.clean).toBe(clean);
    expect(value.also).toBe(clean);
    expect(Object.keys(value)).toEqual(['clean', 'dirty', 'also']);
  });

  it('cleans keys, and shows them cleaned in paths', () => {
    const { value, findings } = scrub({ [token]: { a: token } });
    expect(Object.keys(value)[0]).toMatch(/^\[secret:github-token#[0-9a-f]{4}\]$/);
    expect(JSON.stringify(findings)).not.toContain(token);
  });

  it('loses no value when two keys read the same once cleaned', () => {
    const random = createRandom(4);
    const keys = Array.from({ length: 600 }, () => ['gh', 'p_', random.chars(ALNUM, 36)].join(''));
    const { value } = scrub(Object.fromEntries(keys.map((name, at) => [name, at])));
    expect(Object.values(value)).toEqual(keys.map((_, at) => at));
  });

  it('takes the key as context: a password needs no other sign', () => {
    const { value } = scrub({
      user: { name: 'bob', password: 'correct horse battery staple', pin: '4821', note: 'hunter2' },
    });
    expect(value.user).toEqual({
      name: 'bob',
      password: expect.stringMatching(/^\[secret:password#/),
      pin: expect.stringMatching(/^\[secret:password#/),
      note: 'hunter2',
    });
  });

  it.each([
    [{ name: 'DB_PASSWORD', value: 'hunter2' }],
    [[{ key: 'x-api-key', value: key }]],
    [['Authorization', `Bearer ${key}`]],
    [['run', '--password', 'hunter2x9']],
    [{ headers: { cookie: `sid=${key}` } }],
    [{ passwords: ['hunter2'] }],
    [{ env: JSON.stringify({ DB_PASSWORD: 'hunter2' }) }],
  ])('finds a value whose name stands beside it: %j', (tree) => {
    const text = JSON.stringify(scrub(tree).value);
    expect(text).not.toMatch(/hunter2/);
    expect(text).not.toContain(key);
  });

  it('keeps the scheme of an authorization header', () => {
    expect(scrub({ authorization: `Bearer ${key}` }).value.authorization).toMatch(/^Bearer \[secret:/);
  });

  it('leaves numbers, booleans, dates and instances alone', () => {
    const tree = {
      password: 12345678,
      token: true,
      at: new Date(0),
      bytes: new Uint8Array(3),
      none: null,
      missing: undefined,
    };
    expect(scrub(tree).value).toBe(tree);
  });

  it('treats __proto__ as an ordinary key', () => {
    const tree = JSON.parse(`{"__proto__":{"a":"${token}"},"b":1}`) as object;
    const { value } = scrub(tree);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(JSON.stringify(value)).toMatch(/^\{"__proto__":\{"a":"\[secret:github-token#.{4}\]"\},"b":1\}$/);
  });

  it('does not overflow the stack on deep trees', () => {
    let tree: unknown = token;
    for (let depth = 0; depth < 100_000; depth += 1) tree = depth % 2 === 0 ? [tree] : { a: tree };
    const { value, findings } = scrub(tree);
    expect(findings).toHaveLength(1);
    expect(findings[0]?.path.length).toBeLessThan(200);
    let inner: unknown = value;
    while (typeof inner === 'object' && inner !== null) inner = Object.values(inner)[0];
    expect(inner).toMatch(/^\[secret:/);
  });

  it('does not overflow the stack on deep JSON in a string', () => {
    const text = `${'['.repeat(100_000)}"${token}"${']'.repeat(100_000)}`;
    expect(clean(text)).toContain('[secret:github-token#');
  });

  it('refuses a value that contains itself', () => {
    const tree: Record<string, unknown> = {};
    tree.self = tree;
    expect(() => scrub(tree)).toThrow(expect.objectContaining({ code: 'ERR_INTERNAL' }));
  });

  it('hides every value of a Kubernetes secret', () => {
    const manifest = JSON.stringify({
      apiVersion: 'v1',
      data: { user: 'Ym9iYnliYg==', odd: 'c3dvcmRmaXNo' },
      kind: 'Secret',
    });
    expect(clean(manifest)).not.toMatch(/Ym9i|c3dv/);
  });
});

describe('placeholders', () => {
  it('differ between keys and are the same within one', () => {
    const other = createScrubber({ ...deps, key: new Uint8Array(32).fill(8) });
    expect(clean(token)).toBe(clean(token));
    expect(other(token).value).not.toBe(clean(token));
  });

  it('protect nothing that stands beside them', () => {
    const fake = '[secret:password#abcd]';
    expect(clean(`password=hunter2${fake}`)).not.toContain('hunter2');
    expect(clean(`[secret:not-a-rule#abcd] ${token}`)).not.toContain(token);
    expect(clean(`token: "[secret:${key}#abcd]"`)).not.toContain(key);
  });
});

describe('card numbers and bank accounts', () => {
  const card = ['4111', '1111', '1111', '1111'];
  const iban = ['DE89', '3704', '0044', '0532', '0130', '00'];

  it('are hidden only when asked for', () => {
    const text = `card ${card.join(' ')}, account ${iban.join(' ')}`;
    expect(clean(text)).toBe(text);
    const financial = createScrubber({ ...deps, optional: { financial: true } });
    expect(
      financial(text)
        .findings.map(({ rule }) => rule)
        .sort(),
    ).toEqual(['card-number', 'iban']);
    expect(financial(text).value).toMatch(/^card \[secret:card-number#.{4}\], account \[secret:iban#.{4}\]$/);
  });

  it('need a right checksum', () => {
    const financial = createScrubber({ ...deps, optional: { financial: true } });
    for (const text of [
      `${card.slice(0, 3).join(' ')} 1112`,
      `DE88 ${iban.slice(1).join(' ')}`,
      'order 1234567890123456',
    ]) {
      expect(financial(text).value).toBe(text);
    }
  });
});
