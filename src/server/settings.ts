import * as z from 'zod';
import { setting } from '../core/setting.ts';
import { bytes, durationBetween, flag, httpUrl, integer, listOf, secret } from '../core/setting-values.ts';

const MIB = 1024 * 1024;

const cidr = z.union([z.cidrv4(), z.cidrv6()], { error: 'must be a list of CIDR ranges' });

const file = z.string().min(1, { error: 'must be a file' });

/** Adds the problem that a field must be set because another setting is. */
const tellMissing = (context: z.RefinementCtx, field: string, by: string): void =>
  context.addIssue({ code: 'custom', path: [field], message: `is required with ${by}` });

/** Where the gate listens, and what it takes from whom. */
export const serverSchema = z
  .strictObject({
    port: setting(integer(0, 65_535).default(8787), { env: 'PORT', description: '0 lets the system choose' }),
    host: setting(z.string().min(1).optional(), {
      env: 'HOST',
      description: 'address to listen on',
      default: '0.0.0.0, in `dev` 127.0.0.1',
    }),
    workerPort: setting(integer(0, 65_535).optional(), {
      env: 'SALLYPORT_WORKER_PORT',
      description: 'health and metrics of a worker process; a port that is taken only costs the page',
      default: '`PORT` if given, else 8788',
    }),
    publicUrl: setting(httpUrl.optional(), { env: 'SALLYPORT_PUBLIC_URL', description: 'what senders are told' }),
    trustedProxies: setting(listOf(cidr).optional(), {
      env: 'SALLYPORT_TRUSTED_PROXIES',
      description: 'CIDR list whose `X-Forwarded-For` is believed',
      default: 'none',
    }),
    bodyLimit: setting(bytes.optional(), {
      env: 'SALLYPORT_BODY_LIMIT',
      description: 'counted while reading',
      // Graph batches notifications.
      default: '1MiB, for Graph 4MiB',
    }),
    bodyTimeout: setting(durationBetween('100ms', '10m').prefault('10s'), {
      env: 'SALLYPORT_BODY_TIMEOUT',
      description: "from a request's headers until the last byte of its body",
    }),
    tls: z
      .strictObject({
        cert: setting(file.optional(), {
          env: 'SALLYPORT_TLS_CERT',
          description: 'file of the certificate (PEM, with its chain): the listener speaks [HTTPS](tls.md)',
        }),
        key: setting(file.optional(), { env: 'SALLYPORT_TLS_KEY', description: 'file of its private key (PEM)' }),
        clientCa: setting(file.optional(), {
          env: 'SALLYPORT_TLS_CLIENT_CA',
          description: "file of the authorities (PEM) of clients' certificates, which the API then requires",
        }),
      })
      .superRefine(({ cert, key, clientCa }, context) => {
        if (cert === undefined && key !== undefined) tellMissing(context, 'cert', 'SALLYPORT_TLS_KEY');
        else if (cert === undefined && clientCa !== undefined) tellMissing(context, 'cert', 'SALLYPORT_TLS_CLIENT_CA');
        if (key === undefined && (cert !== undefined || clientCa !== undefined)) {
          tellMissing(context, 'key', cert === undefined ? 'SALLYPORT_TLS_CLIENT_CA' : 'SALLYPORT_TLS_CERT');
        }
      })
      .transform(({ cert, key, clientCa }) =>
        cert === undefined || key === undefined ? undefined : { cert, key, clientCa },
      )
      .prefault({}),
    grace: setting(durationBetween('1s', '1h').prefault('25s'), {
      env: 'SALLYPORT_GRACE',
      description: 'from SIGTERM to the end of the process',
    }),
    outcomeHeaders: setting(flag.optional(), {
      env: 'SALLYPORT_OUTCOME_HEADERS',
      description: '`x-sallyport-outcome` and `x-sallyport-event` on answers',
      default: '1, for Graph 0',
    }),
    failuresPerMinute: setting(integer(1, 1_000_000).default(1200), {
      env: 'SALLYPORT_FAILURES_PER_MINUTE',
      description:
        'answers without a proof (forgeries, handshakes, empty batches, 400, 408, 413) of one source; over it, forgeries and handshakes get 429, and its bodies are read one after the other',
    }),
  })
  .transform(({ bodyLimit, ...server }) => ({
    ...server,
    bodyLimit: bodyLimit ?? MIB,
    graphBodyLimit: bodyLimit ?? 4 * MIB,
  }))
  .prefault({});

/** As a browser sends it: scheme, host and port, and nothing after them. */
const origin = httpUrl.transform((href, context) => {
  const url = new URL(href);
  if (href === `${url.origin}/`) return url.origin;
  context.addIssue({ code: 'custom', message: 'must be origins like https://console.example.com, without a path' });
  return z.NEVER;
});

const apiFields = z.strictObject({
  jwtJwksUrl: setting(httpUrl.optional(), {
    env: 'SALLYPORT_JWT_JWKS_URL',
    description:
      'key set (JWKS) of the issuer of API tokens; needs `SALLYPORT_JWT_ISSUER` and `SALLYPORT_JWT_AUDIENCE`, excludes `SALLYPORT_JWT_SECRET`',
  }),
  // RFC 7518, 3.2: an HS256 key is at least as long as the digest.
  jwtSecret: setting(secret(32).optional(), {
    env: 'SALLYPORT_JWT_SECRET',
    description: 'at least 32 bytes, HS256; with neither this nor `SALLYPORT_JWT_JWKS_URL` the API answers 401',
    secret: true,
    emptyIsWrong: true,
  }),
  jwtPreviousSecrets: setting(listOf(secret(32)).optional(), {
    env: 'SALLYPORT_JWT_PREVIOUS_SECRETS',
    description: 'comma list of earlier secrets that still verify',
    secret: true,
  }),
  jwtIssuer: setting(z.string().min(1).optional(), {
    env: 'SALLYPORT_JWT_ISSUER',
    description: 'required of tokens (`iss`) when set',
  }),
  jwtAudience: setting(z.string().min(1).optional(), {
    env: 'SALLYPORT_JWT_AUDIENCE',
    description: 'required of tokens (`aud`, which may be a list) when set',
  }),
  tokenMaxLife: setting(durationBetween('1m', '365d').prefault('24h'), {
    env: 'SALLYPORT_TOKEN_MAX_LIFE',
    description: 'greatest life of a token: `exp` − `iat`, or what is left of it without `iat`',
  }),
  jwtIntrospectionUrl: setting(httpUrl.optional(), {
    env: 'SALLYPORT_JWT_INTROSPECTION_URL',
    description: 'the issuer is asked about each verified token (RFC 7662), and an active answer believed for 30 s',
  }),
  jwtIntrospectionClientId: setting(z.string().min(1).optional(), {
    env: 'SALLYPORT_JWT_INTROSPECTION_CLIENT_ID',
    description: 'required with `SALLYPORT_JWT_INTROSPECTION_URL`',
  }),
  jwtIntrospectionClientSecret: setting(secret(1).optional(), {
    env: 'SALLYPORT_JWT_INTROSPECTION_CLIENT_SECRET',
    description: 'required with `SALLYPORT_JWT_INTROSPECTION_URL`',
    secret: true,
  }),
  corsOrigins: setting(listOf(origin).optional(), {
    env: 'SALLYPORT_CORS_ORIGINS',
    description: 'comma list of origins whose pages may call the API with a token',
    default: 'none',
  }),
});

type ApiFields = z.output<typeof apiFields>;

/** What verifies a token is one thing: the keys of an issuer with all that names it, or secrets. */
function checkTokenSettings(api: ApiFields, context: z.RefinementCtx): void {
  const need = (field: keyof ApiFields, by: string): void => {
    if (api[field] === undefined) tellMissing(context, field, by);
  };
  if (api.jwtJwksUrl !== undefined) {
    need('jwtIssuer', 'SALLYPORT_JWT_JWKS_URL');
    need('jwtAudience', 'SALLYPORT_JWT_JWKS_URL');
    if (api.jwtSecret !== undefined) {
      const message = 'must not be set together with SALLYPORT_JWT_JWKS_URL';
      context.addIssue({ code: 'custom', path: ['jwtSecret'], message });
    }
  }
  if (api.jwtIntrospectionUrl !== undefined) {
    need('jwtIntrospectionClientId', 'SALLYPORT_JWT_INTROSPECTION_URL');
    need('jwtIntrospectionClientSecret', 'SALLYPORT_JWT_INTROSPECTION_URL');
  }
}

export const apiSchema = apiFields.superRefine(checkTokenSettings).prefault({});
