import { z } from 'zod';
import { gmailSchema, gmailWindow } from '../channels/gmail/settings.ts';
import { graphSchema, graphWindow } from '../channels/graph/settings.ts';
import { slackSchema, slackWindow } from '../channels/slack/settings.ts';
import { teamsSchema, teamsWindow } from '../channels/teams/settings.ts';
import {
  bytes,
  duration,
  durationBetween,
  flag,
  httpUrl,
  integer,
  key32,
  listOf,
  secret,
  tenantName,
} from '../core/setting-values.ts';
import { auditSchema } from '../ops/settings.ts';
import { agentSchema, agentsSchema, checkTenantAgents, tenantAgents } from '../workers/agents/settings.ts';
import { globalBudgetSchema, pricesSchema, tenantBudgetSchema } from '../workers/budget/settings.ts';
import { guardrailsSchema } from '../workers/guardrails/settings.ts';
import { reviewSchema } from '../workers/review/settings.ts';
import { toolsSchema } from '../workers/tools/settings.ts';
import { checkReplyTimeout } from './reply-timeout.ts';

const MIB = 1024 * 1024;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const tenant = z.strictObject({
  slack: slackSchema.optional(),
  graph: graphSchema.optional(),
  teams: teamsSchema.optional(),
  gmail: gmailSchema.optional(),
  budget: tenantBudgetSchema,
  review: reviewSchema,
  ...tenantAgents,
});

const settings = z.strictObject({
  server: z
    .strictObject({
      port: integer(0, 65_535).default(8787),
      host: z.string().min(1).optional(),
      workerPort: integer(0, 65_535).optional(),
      publicUrl: httpUrl.optional(),
      trustedProxies: listOf(z.union([z.cidrv4(), z.cidrv6()], { error: 'must be a list of CIDR ranges' })).optional(),
      /** Default 1 MiB; 4 MiB for Graph, which batches notifications. */
      bodyLimit: bytes.optional(),
      /** A body must have arrived completely this long after its headers. */
      bodyTimeout: durationBetween('100ms', '10m').prefault('10s'),
      /** From the signal to stop until the process has ended. */
      grace: durationBetween('1s', '1h').prefault('25s'),
      outcomeHeaders: flag.optional(),
      /** Failed proofs and handshakes a source may cause per minute before it is answered 429. */
      failuresPerMinute: integer(1, 1_000_000).default(1200),
    })
    .transform(({ bodyLimit, ...server }) => ({
      ...server,
      bodyLimit: bodyLimit ?? MIB,
      graphBodyLimit: bodyLimit ?? 4 * MIB,
    }))
    .prefault({}),
  store: z
    .strictObject({
      redisUrl: z
        .string()
        .regex(/^(rediss?|redis\+sentinel):\/\/\S+$/, {
          message: 'must be a redis://, rediss:// or redis+sentinel:// URL',
        })
        .optional(),
      shards: integer(1, 1024).default(1),
      prefix: z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,32}$/, { message: 'must be 1 to 32 letters, digits, - or _' })
        .default('sp'),
      minReplicas: integer(0, 10).default(0),
      allowUnsafe: flag.default(false),
      dataDir: z.string().min(1).default('.sallyport'),
      queueCap: integer(1, 100_000_000).default(50_000),
    })
    .prefault({}),
  keys: z.strictObject({ seal: listOf(key32).optional(), id: key32.optional() }).prefault({}),
  windows: z
    .strictObject({
      slack: slackWindow,
      graph: graphWindow,
      teams: teamsWindow,
      gmail: gmailWindow,
    })
    .prefault({}),
  keeper: z
    .strictObject({
      /** How often subscriptions and watches are looked at; each is renewed long before it ends. */
      every: duration.prefault('1m'),
      /** A source that has sent nothing for this long raises an alarm. */
      silentAfter: duration.prefault('24h'),
    })
    .prefault({}),
  maxAge: duration.prefault('24h'),
  retention: duration.prefault('30d'),
  audit: auditSchema,
  concurrency: integer(1, 10_000).default(32),
  worker: z
    .strictObject({
      /** A worker not heard of for this long is taken for dead and its conversation given to another. */
      lease: durationBetween('1s', '1h').prefault('30s'),
      /**
       * Time limit of one call that posts a reply. The lease is held half as long again, whatever happens to the worker,
       * and an absent reply counts as not posted only after this and the vendor's own delays (`core/reply-timing`).
       */
      replyTimeout: durationBetween('100ms', '10m').prefault('10s'),
    })
    .prefault({}),
  api: z
    .strictObject({
      /** RFC 7518, 3.2: an HS256 key is at least as long as the digest. */
      jwtSecret: secret(32).optional(),
      jwtIssuer: z.string().min(1).optional(),
      jwtAudience: z.string().min(1).optional(),
    })
    .prefault({}),
  metricsToken: secret(16).optional(),
  logLevel: z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` }).default('info'),
  agent: agentSchema,
  guardrails: guardrailsSchema,
  tools: toolsSchema,
  agents: agentsSchema,
  budget: globalBudgetSchema,
  prices: pricesSchema,
  tenants: z.record(tenantName, tenant).default({}),
});

/** The whole configuration; the docstrings of `Config` hold for a file and for the environment alike. */
export const configSchema = settings.superRefine(checkTenantAgents).superRefine(checkReplyTimeout);

/** Every setting, parsed once and frozen. Durations are milliseconds, sizes bytes. */
export type Config = z.output<typeof configSchema>;
/** What `defineConfig` takes: durations as `72h`, sizes as `1MiB`. */
export type ConfigInput = z.input<typeof configSchema>;
