import { afterEach, beforeEach, expect, test } from 'vitest';
import { createIntrospection, type Introspect } from '../../../../src/net/jwt/introspect.ts';
import { createFakeClock, type FakeClock } from '../../../support/clock.ts';
import { codeOf } from './harness.ts';

let clock: FakeClock;
let answers: (() => Response | Promise<Response>)[];
let asked: { readonly url: string; readonly headers: Headers; readonly body: URLSearchParams }[];
let introspect: Introspect;

const says =
  (body: unknown, status = 200) =>
  () =>
    new Response(JSON.stringify(body), { status });

beforeEach(() => {
  clock = createFakeClock();
  answers = [];
  asked = [];
  introspect = createIntrospection({
    url: 'https://issuer.example/introspect',
    clientId: 'gate:1',
    clientSecret: 'a secret+',
    async fetch(input, init) {
      const { headers, body } = new Request('http://body.invalid/', init);
      asked.push({ url: String(input), headers, body: new URLSearchParams(await new Response(body).text()) });
      const answer = answers.shift();
      if (answer === undefined) throw new Error('nothing answers');
      return answer();
    },
    digest: (token) => `digest of ${token}`,
    clock: clock.now,
  });
});
afterEach(() => expect(answers).toEqual([]));

test('asks as RFC 7662 says, with form-encoded credentials', async () => {
  answers = [says({ active: true, sub: 'ada' })];
  expect(await introspect('a.b.c')).toBe(true);
  const [first] = asked;
  if (first === undefined) throw new Error('nothing was asked');
  const { url, headers, body } = first;
  expect(url).toBe('https://issuer.example/introspect');
  expect(headers.get('authorization')).toBe(`Basic ${btoa('gate%3A1:a+secret%2B')}`);
  expect([...body]).toEqual([
    ['token', 'a.b.c'],
    ['token_type_hint', 'access_token'],
  ]);
});

test('an active answer is believed for 30 s, for that token only', async () => {
  answers = [says({ active: true }), says({ active: true })];
  await introspect('a.b.c');
  clock.advance(29_999);
  expect(await introspect('a.b.c')).toBe(true);
  expect(asked).toHaveLength(1);
  await introspect('d.e.f');
  expect(asked).toHaveLength(2);
  clock.advance(1);
  answers = [says({ active: false })];
  expect(await introspect('a.b.c')).toBe(false);
});

test('an inactive answer is not remembered', async () => {
  answers = [says({ active: false }), says({ active: true })];
  expect([await introspect('a.b.c'), await introspect('a.b.c')]).toEqual([false, true]);
});

test('requests for one token at the same time ask once', async () => {
  answers = [says({ active: true })];
  expect(await Promise.all([introspect('a.b.c'), introspect('a.b.c'), introspect('a.b.c')])).toEqual([
    true,
    true,
    true,
  ]);
  expect(asked).toHaveLength(1);
});

test.each<readonly [string, () => Response | Promise<Response>]>([
  ['nothing', () => Promise.reject(new Error('refused'))],
  ['401', says({ active: true }, 401)],
  ['500', says({ active: true }, 500)],
  ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://other.example/' } })],
  ['text', () => new Response('<html>')],
  ['null', says(null)],
  ['no word about it', says({ sub: 'ada' })],
  ['the word as text', says({ active: 'true' })],
  ['a number', says({ active: 1 })],
])('an issuer that answers %s says nothing, and the next request asks again', async (_, answer) => {
  answers = [answer, says({ active: true })];
  expect(await codeOf(introspect('a.b.c'))).toBe('ERR_INTROSPECTION_UNAVAILABLE');
  expect(await introspect('a.b.c')).toBe(true);
});
