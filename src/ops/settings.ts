import * as z from 'zod';
import { fromBase64, toHex } from '../core/crypto/encoding.ts';
import { setting } from '../core/setting.ts';
import { durationAtLeast, durationBetween, httpUrl, secret } from '../core/setting-values.ts';
import { parseUrl } from '../core/text/url.ts';

/** How every Ed25519 private key begins as PKCS #8 (RFC 8410, 7); 32 bytes follow. */
const ED25519 = '302e020100300506032b657004220420';

const signingKey = z.string({ error: 'must be text' }).transform((text, context) => {
  const der = fromBase64(text.trim());
  if (der?.length === 48 && toHex(der).startsWith(ED25519)) return der;
  context.addIssue({
    code: 'custom',
    message: 'must be an Ed25519 key, PKCS #8 in base64 (sallyport keygen prints one)',
  });
  return z.NEVER;
});

const file = z
  .string()
  .min(1)
  .regex(/^(?!https?:)/);

/** Where a check may lead. Plain http too: nothing secret is sent. */
const checkUrl = z.string().refine(
  (text) => {
    const url = parseUrl(text);
    return url !== null && ['http:', 'https:'].includes(url.protocol) && url.username + url.password === '';
  },
  { message: 'must be an http or https URL without credentials' },
);

const check = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,30}$/, { message: 'must be 1 to 31 of a-z, 0-9 and -, with a letter first' }),
    url: checkUrl.optional(),
    tcp: z
      .string()
      .regex(/^(?:\[[0-9a-f:.]+\]|[^\s:[\]/]+):\d{1,5}$/i, { message: 'must be host:port' })
      .optional(),
    optional: z.boolean().default(false),
  })
  .refine(({ url, tcp }) => (url === undefined) !== (tcp === undefined), { message: 'needs either url or tcp' });

export type ReadyCheck = z.output<typeof check>;

/** What `/ready` looks at besides the gate's own parts. */
export const readySchema = z
  .strictObject({
    checks: setting(
      z
        .array(check)
        .max(20, { message: 'must be at most 20' })
        .refine((checks) => new Set(checks.map(({ name }) => name)).size === checks.length, {
          message: 'names must differ',
        })
        .default([]),
      { description: "the operator's own dependencies in `/ready` of a worker ([health](health.md))" },
    ),
  })
  .prefault({});

/** The chain of who did what. */
export const auditSchema = z
  .strictObject({
    keep: setting(durationAtLeast(3_600_000, 'what happened must be readable for a while').prefault('90d'), {
      env: 'SALLYPORT_AUDIT_KEEP',
      // An export verifies without the entries that were trimmed, and says where it begins.
      description: 'how long entries of the [audit](audit.md) are kept; at least 1h',
    }),
    key: setting(signingKey.optional(), {
      env: 'SALLYPORT_AUDIT_KEY',
      description: 'Ed25519 private key (PKCS #8 in base64) that signs checkpoints of the audit',
      secret: true,
    }),
    checkpoints: setting(z.union([httpUrl, file], { error: 'must be a file or a URL' }).optional(), {
      env: 'SALLYPORT_AUDIT_CHECKPOINTS',
      description: 'file they are appended to, or URL they are posted to',
    }),
    every: setting(durationBetween('1s', '24h').prefault('5m'), {
      env: 'SALLYPORT_AUDIT_EVERY',
      description: 'how often one worker signs how the chains end',
    }),
  })
  .refine(({ key, checkpoints }) => key !== undefined || checkpoints === undefined, {
    message: 'checkpoints need a key (SALLYPORT_AUDIT_KEY)',
    path: ['checkpoints'],
  })
  .prefault({});

export const metricsToken = setting(secret(16).optional(), {
  env: 'SALLYPORT_METRICS_TOKEN',
  description: 'without it `/metrics` does not exist',
  secret: true,
  emptyIsWrong: true,
});

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export const logLevel = setting(
  z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` }).default('info'),
  { env: 'LOG_LEVEL', description: '`fatal` to `trace`, or `silent`' },
);
