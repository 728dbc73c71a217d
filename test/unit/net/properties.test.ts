import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressKind } from '../../../src/net/guard/address.ts';
import { admit } from '../../../src/net/guard/admit.ts';
import { checkUrl } from '../../../src/net/guard/check-url.ts';

const RUNS = { numRuns: 10_000 };
const policy = { ports: [80, 443], allow: [] };
const { signal } = new AbortController();

type Octets = readonly [number, number, number, number];
const octet = fc.nat(255);

/** Addresses of this machine, its networks and its clouds. */
const privateIpv4: fc.Arbitrary<Octets> = fc.oneof(
  fc.tuple(fc.constantFrom(0, 10, 127), octet, octet, octet),
  fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
  fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
  fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
  fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
  fc.tuple(fc.integer({ min: 224, max: 255 }), octet, octet, octet),
);
const anyIpv4: fc.Arbitrary<Octets> = fc.tuple(octet, octet, octet, octet);
const dotted = (ip: Octets): string => ip.join('.');
const value = (octets: readonly number[]): number => octets.reduce((sum, part) => sum * 256 + part, 0);

const numeral = (number: number): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(8, 10, 16), fc.nat(12), fc.boolean()).map(([radix, zeros, isUpper]) => {
    const digits = number.toString(radix);
    if (radix === 10) return digits;
    const written = radix === 8 ? `0${'0'.repeat(zeros)}${digits}` : `0x${'0'.repeat(zeros)}${digits}`;
    return isUpper ? written.toUpperCase() : written;
  });

/** What inet_aton reads: one to four parts, each octal, decimal or hexadecimal, the last one filling the rest. */
const inetAton = (ip: Octets): fc.Arbitrary<string> =>
  fc.integer({ min: 1, max: 4 }).chain((count) => {
    const head = ip.slice(0, count - 1);
    return fc.tuple(...[...head, value(ip.slice(count - 1))].map(numeral)).map((parts) => parts.join('.'));
  });

const fullWidth = (text: string): string =>
  text.replace(/[!-~]/g, (character) => String.fromCharCode(character.charCodeAt(0) + 0xfee0));
const circled = (text: string): string =>
  text.replace(/[1-9]/g, (digit) => String.fromCharCode(0x2460 + Number(digit) - 1));
const percent = (text: string): string =>
  text.replace(/./g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`);

const disguise = fc.constantFrom<(text: string) => string>(
  (text) => text,
  fullWidth,
  circled,
  percent,
  (text) => text.replaceAll('.', '。'),
  (text) => text.replaceAll('.', '．'),
  (text) => `${text}.`,
  (text) => text.replace(/\d/, (digit) => `${digit}\u200b`),
  (text) => text.replace(/\d/, (digit) => `${digit}\u00ad`),
);

const decoration = fc.constantFrom<(host: string) => string>(
  (host) => `http://${host}/`,
  (host) => `https://${host}`,
  (host) => `HTTP://${host}:80/path?query#fragment`,
  (host) => `http://open.example@${host}/`,
  (host) => `http://${host}#@open.example/`,
  (host) => `http://${host}?@open.example/`,
  (host) => `http://${host}\\@open.example/`,
  (host) => `http:${host}`,
  (host) => `http:///${host}/`,
  (host) => `http:\\\\${host}\\`,
  (host) => ` http://${host}/`,
  (host) => `ht\ntp://${host}/`,
  (host) => `//${host}/`,
);

/** IPv6 forms that carry an IPv4 address inside. */
const carriers = fc.constantFrom<(hex: string) => string>(
  (hex) => `::ffff:${hex}`,
  (hex) => `::${hex}`,
  (hex) => `::ffff:0:${hex}`,
  (hex) => `64:ff9b::${hex}`,
  (hex) => `64:ff9b:1::${hex}`,
  (hex) => `2002:${hex}::1`,
  (hex) => `2001:0:${hex}::1`,
  (hex) => `2a00:1450:4001:1:0:5efe:${hex}`,
  (hex) => `2a00:1450:4001:1:200:5efe:${hex}`,
);
const hextets = (ip: Octets): string => `${value(ip.slice(0, 2)).toString(16)}:${value(ip.slice(2)).toString(16)}`;

const isRefused = (url: string): boolean => !checkUrl(url, policy).ok;

describe('whatever it is written like', () => {
  it('a private IPv4 address is refused', () => {
    const written = privateIpv4.chain((ip) => fc.tuple(inetAton(ip), disguise, decoration));
    fc.assert(
      fc.property(written, ([host, hide, decorate]) => isRefused(decorate(hide(host)))),
      RUNS,
    );
  });

  it('an IPv4 address inside an IPv6 address is refused', () => {
    fc.assert(
      fc.property(anyIpv4, carriers, decoration, (ip, carry, decorate) =>
        isRefused(decorate(`[${carry(hextets(ip))}]`)),
      ),
      RUNS,
    );
  });

  it('an address is judged in a DNS answer as it is in a URL', async () => {
    const ipv6 = fc.tuple(...Array.from({ length: 8 }, () => fc.nat(0xffff))).map((parts) => hex(parts));
    await fc.assert(
      fc.asyncProperty(fc.oneof(anyIpv4.map(dotted), ipv6), async (address) => {
        const host = address.includes(':') ? `[${address}]` : address;
        const admission = await admit({ text: 'http://points.example/' }, policy, async () => [address], signal);
        expect(admission.ok).toBe(checkUrl(`http://${host}/`, policy).ok);
        expect(admission.ok).toBe(addressKind(address) === 'public');
      }),
      RUNS,
    );
  });

  it('one private answer among any number of public ones refuses them all', async () => {
    const answers = fc.tuple(fc.array(fc.constantFrom<string[]>('1.1.1.1', '2606:4700::1111')), privateIpv4, fc.nat());
    await fc.assert(
      fc.asyncProperty(answers, async ([others, ip, at]) => {
        const mixed = others.toSpliced(at % (others.length + 1), 0, dotted(ip));
        const admission = await admit({ text: 'http://points.example/' }, policy, async () => mixed, signal);
        expect(admission.ok).toBe(false);
      }),
      RUNS,
    );
  });

  it('any text at all gets an answer, and an accepted one is the URL every parser sees', () => {
    const piece = fc.constantFrom(
      'http',
      'https',
      ':',
      '/',
      '//',
      '@',
      '#',
      '?',
      '\\',
      '.',
      '[',
      ']',
      '%',
      '127.0.0.1',
      'a.b',
      '::1',
      '80',
      '。',
      '\t',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.webUrl(),
      fc.array(piece).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(text, (url) => {
        const checked = checkUrl(url, policy);
        if (!checked.ok) return;
        const { host, url: read } = checked.candidate;
        const naive = /^https?:\/\/([^/:?#]*|\[[^\]]*\])/i.exec(read.href)?.[1];
        expect([host, `[${host}]`]).toContain(naive);
        expect(checkUrl(read.href, policy)).toMatchObject({ ok: true, candidate: { host } });
        expect(read.username + read.password).toBe('');
      }),
      RUNS,
    );
  });
});

const hex = (parts: readonly number[]): string => parts.map((part) => part.toString(16)).join(':');
