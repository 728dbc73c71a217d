import * as z from 'zod';
import { fromBase64 } from '../../core/crypto/encoding.ts';
import type { VendorTiming } from '../../core/reply-timing.ts';
import { setting } from '../../core/setting.ts';
import { durationAtLeast, flag, httpUrl, listOf, secret } from '../../core/setting-values.ts';

const HOUR_MS = 3_600_000;

/** A GUID in practice, or a domain of the tenant. It becomes part of a URL. */
const entraId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$/, { message: 'must be an id of letters, digits, . and -' });

/** Graph's own limit for `encryptionCertificateId` and `clientState`. */
const MAX_NAME_CHARS = 128;

const resource = z.string().regex(/^[A-Za-z]+[/(][^\s<>"\\]{1,1000}$/, {
  message: 'must be resources like users/a@example.com/messages',
});

const subscription = z.union([
  resource.transform((path) => ({ resource: path, changeType: 'created', rich: undefined })),
  z.strictObject({
    resource,
    /** `created` is enough to act once on each new message; `updated` helps where Graph loses one. */
    changeType: z.enum(['created', 'updated', 'created,updated']).default('created'),
    /** With the encrypted object inside. Default: where a certificate is set and the resource allows it as it is written. */
    rich: flag.optional(),
  }),
]);

/** A comma list whose entries may hold commas themselves (`?$select=subject,body`): one that begins a path separates. */
const subscriptions = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(/,(?=\s*[A-Za-z]+[/(])/).map((part) => part.trim()) : value),
  z.array(subscription),
);

const PEM_BODY = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----$/;

/** Environment files write the line ends of a PEM block as `\n`. */
const multiline = (text: string): string => text.replaceAll('\\n', '\n').trim();

/** As Graph wants it: the DER in base64, on one line. */
const certificate = z.string().transform((text, context) => {
  const pem = multiline(text);
  const base64 = (PEM_BODY.exec(pem)?.[1] ?? pem).replace(/\s+/g, '');
  if (base64 === '' || fromBase64(base64) === null) {
    context.addIssue({ code: 'custom', message: 'must be a certificate in PEM or base64' });
    return z.NEVER;
  }
  return base64;
});

const privateKey = z
  .string()
  .transform(multiline)
  .refine((pem) => /^-----BEGIN (RSA )?PRIVATE KEY-----\n/.test(pem), {
    message: 'must be an unencrypted RSA key in PEM',
  });

export const graphSchema = z
  .strictObject({
    tenantId: setting(entraId, {
      env: 'GRAPH_TENANT_ID',
      description: 'switches Graph on: the Entra tenant; notifications of others are quarantined',
      default: '–',
    }),
    /** The app whose subscriptions these are, and to which Microsoft makes out its tokens. */
    clientId: setting(entraId.optional(), { env: 'GRAPH_CLIENT_ID', description: 'the app' }),
    clientSecret: setting(secret(1).optional(), {
      env: 'GRAPH_CLIENT_SECRET',
      description: "the app's secret; without it nothing is fetched, kept or answered",
      secret: true,
    }),
    subscriptions: setting(subscriptions.default([]), {
      env: 'GRAPH_SUBSCRIPTIONS',
      description:
        'comma list of resources to keep subscribed to; in a file also `{ resource, changeType, rich }` ([graph.md](graph.md))',
    }),
    clientStates: setting(
      listOf(secret(16).max(MAX_NAME_CHARS, { message: 'is too long: Graph takes 128 characters' })).optional(),
      {
        env: 'GRAPH_CLIENT_STATE',
        description: 'secret of subscriptions made by hand; a comma list while one replaces another',
        secret: true,
      },
    ),
    encryptionCert: setting(certificate.optional(), {
      env: 'GRAPH_ENCRYPTION_CERT',
      description: 'certificate for rich notifications, PEM or base64',
    }),
    encryptionKeys: setting(listOf(privateKey).optional(), {
      env: 'GRAPH_ENCRYPTION_KEY',
      description: 'its private key in PEM (`\\n` for line ends); a comma list, the current one first',
      secret: true,
    }),
    encryptionKeyIds: setting(listOf(z.string().min(1).max(MAX_NAME_CHARS)).prefault(['sallyport']), {
      env: 'GRAPH_ENCRYPTION_KEY_ID',
      description: 'our names for the certificates, in the order of their keys',
    }),
    baseUrl: setting(httpUrl.default('https://graph.microsoft.com/'), {
      env: 'GRAPH_BASE_URL',
      description: 'for national clouds and local servers',
      refines: 'GRAPH_TENANT_ID',
    }),
    authorityUrl: setting(httpUrl.default('https://login.microsoftonline.com/'), {
      env: 'GRAPH_AUTHORITY_URL',
      description: 'for national clouds and local servers',
      refines: 'GRAPH_TENANT_ID',
    }),
    jwksUrl: setting(httpUrl.default('https://login.microsoftonline.com/common/discovery/v2.0/keys'), {
      env: 'GRAPH_JWKS_URL',
      description: 'for national clouds and local servers',
      refines: 'GRAPH_TENANT_ID',
    }),
  })
  .superRefine((graph, context) => {
    const refuse = (field: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [field], message });
    const { encryptionKeys: keys, encryptionKeyIds: ids, encryptionCert } = graph;
    if (keys !== undefined && new Set(ids).size !== keys.length) {
      refuse('encryptionKeyIds', 'must name each key of GRAPH_ENCRYPTION_KEY, each differently');
    }
    if (encryptionCert !== undefined && keys === undefined) refuse('encryptionKeys', 'is required with a certificate');
    if (keys !== undefined && graph.clientId === undefined) refuse('clientId', 'is required with an encryption key');
    if (graph.subscriptions.length === 0) return;
    if (graph.clientId === undefined) refuse('clientId', 'is required to keep subscriptions');
    if (graph.clientSecret === undefined) refuse('clientSecret', 'is required to keep subscriptions');
  });

export type GraphConfig = z.output<typeof graphSchema>;

/** How long a delivery is remembered, so that a copy of it is known as one, in ms. */
export const graphWindow = setting(durationAtLeast(4 * HOUR_MS, 'Graph retries for 4 hours').prefault('24h'), {
  env: 'SALLYPORT_WINDOW_GRAPH',
  description: 'at least 4h',
});

/** Graph accepts a reply with 202 and moves it to Sent Items later. Assumed, as no bound is documented. */
export const graphTiming: VendorTiming = { lateMs: 5_000, lagMs: 30_000 };
