import * as z from 'zod';
import { fromBase64, toUtf8 } from './crypto/encoding.ts';
import type { Rate } from './rate.ts';
import { parseUrl } from './text/url.ts';

/** Parsers for the values of settings. Their messages say what is expected and never what was given. */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `500ms`, `25s`, `10m`, `72h` or `7d`; NaN for anything else. */
function toMs(text: string): number {
  const [, count, unit = ''] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  return Number(count) * (UNIT_MS[unit] ?? Number.NaN);
}

/** `500ms`, `25s`, `10m`, `72h`, `7d`; becomes milliseconds. */
export const duration = z
  .string({ error: 'must be a duration like 500ms, 25s, 10m, 72h or 7d' })
  .transform((text, context) => {
    const ms = toMs(text);
    if (!Number.isNaN(ms)) return ms;
    context.addIssue({ code: 'custom', message: 'must be a duration like 500ms, 25s, 10m, 72h or 7d' });
    return z.NEVER;
  });

/** `2026-04-30T22:00:00Z` (RFC 3339); becomes epoch milliseconds. */
export const instant = z.iso
  .datetime({ offset: true, error: 'must be a time like 2026-04-30T22:00:00Z' })
  .transform((text) => Date.parse(text));

/** For what becomes a timer: Node fires one of 0 ms, or of more than 2^31 ms (24.8 days), at once. */
export const durationBetween = (min: string, max: string) =>
  duration.refine((ms) => ms >= toMs(min) && ms <= toMs(max), { message: `must be from ${min} to ${max}` });

/** A duration of at least `minMs`; `why` is appended to the message. */
export const durationAtLeast = (minMs: number, why: string) =>
  duration.refine((ms) => ms >= minMs, { message: `must be at least ${minMs / 3_600_000}h: ${why}` });

/** `600/1m`, `5/15m`: so many in so long, in whole seconds. */
export const rate = z.string({ error: 'must be a rate like 600/1m or 5/15m' }).transform((text, context): Rate => {
  const [, count = '', window = ''] = /^([1-9]\d{0,8})\/(\d{1,9}[smhd])$/.exec(text.trim()) ?? [];
  const windowMs = toMs(window);
  if (windowMs >= 1_000 && windowMs <= MAX_RATE_WINDOW_MS) return { count: Number(count), windowMs };
  context.addIssue({ code: 'custom', message: 'must be a rate like 600/1m or 5/15m, of at most a day' });
  return z.NEVER;
});

/** A day. */
const MAX_RATE_WINDOW_MS = 86_400_000;

const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2 };

/** `1MiB`, `512KiB` or a plain number of bytes. */
export const bytes = z.union([z.string(), z.number()]).transform((value, context) => {
  const match = /^(\d{1,10})\s*(KiB|MiB|)$/.exec(String(value).trim());
  const unit = UNIT_BYTES[match?.[2] ?? 'none'];
  if (match === null || unit === undefined) {
    context.addIssue({ code: 'custom', message: 'must be a size like 1MiB, 512KiB or a number of bytes' });
    return z.NEVER;
  }
  return Number(match[1]) * unit;
});

export const integer = (min: number, max: number) => {
  const expected = `must be a whole number from ${min} to ${max}`;
  return z
    .union([z.string().regex(/^-?\d{1,15}$/, { message: expected }), z.number()], { error: expected })
    .transform(Number)
    .refine((value) => Number.isInteger(value) && value >= min && value <= max, { message: expected });
};

export const flag = z
  .union([z.boolean(), z.enum(['0', '1', 'true', 'false'])], { error: 'must be 1 or 0' })
  .transform((value) => value === true || value === '1' || value === 'true');

/** A secret of at least `min` bytes. White space around it is a copying mistake and is refused. */
export const secret = (min: number) =>
  z
    .string({ error: 'must be text' })
    .refine((text) => text.length > 0, { message: 'is empty' })
    .refine((text) => text.trim() === text, { message: 'has white space around it' })
    .refine((text) => text.length === 0 || toUtf8(text).length >= min, {
      message: `is too short: at least ${min} bytes are needed`,
    });

/** A comma list or an array. */
export const listOf = <T extends z.ZodType>(item: T) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value),
    z.array(item).min(1, { message: 'is empty' }),
  );

/** 32 bytes as base64. */
export const key32 = z.string({ error: 'must be 32 bytes in base64' }).transform((text, context) => {
  const decoded = fromBase64(text.trim());
  if (decoded === null || decoded.length !== 32) {
    context.addIssue({ code: 'custom', message: 'must be 32 bytes in base64 (sallyport keygen prints one)' });
    return z.NEVER;
  }
  return decoded;
});

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Whether the host of a URL, as `URL` writes it, is this machine. */
export const isLoopbackHost = (hostname: string): boolean => LOOPBACK.test(hostname);

/** An http(s) URL without credentials; plain http only to loopback, because what goes there carries secrets. */
export const httpUrl = z.string({ error: 'must be a URL' }).transform((text, context) => {
  const url = parseUrl(text.trim());
  const refuse = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return refuse('must be an http or https URL');
  if (url.username !== '' || url.password !== '') return refuse('must not hold credentials');
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) return refuse('must be https unless it is loopback');
  return url.href;
});

/** A host, or `*.` and a domain for all of its subdomains. */
export const hostPattern = z.string().regex(/^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, {
  message: 'must be hosts like docs.example.com or *.example.com',
});

/** Names a tenant: what may stand in a path, a key and a log. */
export const tenantName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, {
  message: 'a tenant name is 1 to 63 of a-z, 0-9 and -, starting with a letter or digit',
});

/** A proxy, with its credentials or without. Nothing but them and the host may be in it. */
export const proxyUrl = z.string({ error: 'must be a URL' }).transform((text, context) => {
  const url = parseUrl(text.trim());
  const isPlain = url !== null && url.pathname === '/' && url.search === '' && url.hash === '';
  if (!isPlain || !['http:', 'https:'].includes(url.protocol) || !isDecodable(url.username + url.password)) {
    context.addIssue({ code: 'custom', message: 'must be http(s)://host:port or http(s)://user:password@host:port' });
    return z.NEVER;
  }
  return url.href;
});

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== null;
  } catch {
    return false;
  }
}
