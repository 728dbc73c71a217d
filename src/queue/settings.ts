import * as z from 'zod';
import { setting } from '../core/setting.ts';
import { duration, flag, integer, key32, listOf } from '../core/setting-values.ts';

/** Which store, and how much it takes. */
export const storeSchema = z
  .strictObject({
    redisUrl: setting(
      z
        .string()
        .regex(/^(rediss?|redis\+sentinel):\/\/\S+$/, {
          message: 'must be a redis://, rediss:// or redis+sentinel:// URL',
        })
        .optional(),
      {
        env: 'SALLYPORT_REDIS_URL',
        description:
          '`redis://`, `rediss://`, a comma list for Cluster, `redis+sentinel://`; absent: the embedded store. It may hold a password',
        secret: true,
      },
    ),
    shards: setting(integer(1, 1024).default(1), {
      env: 'SALLYPORT_REDIS_SHARDS',
      description: 'hash tags tenants are spread over; fixed at first start',
    }),
    prefix: setting(
      z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,32}$/, { message: 'must be 1 to 32 letters, digits, - or _' })
        .default('sp'),
      { env: 'SALLYPORT_REDIS_PREFIX', description: 'inside every hash tag' },
    ),
    minReplicas: setting(integer(0, 10).default(0), {
      env: 'SALLYPORT_MIN_REPLICAS',
      description:
        'replicas that must hold an event before 2xx, and the intent of an effect, such as a reply, before it happens',
    }),
    allowUnsafe: setting(flag.default(false), {
      env: 'SALLYPORT_ALLOW_UNSAFE_REDIS',
      description: '1: start although AOF is off or eviction on (development)',
    }),
    dataDir: setting(z.string().min(1).default('.sallyport'), {
      env: 'SALLYPORT_DATA_DIR',
      description: "the embedded store's folder",
    }),
    queueCap: setting(integer(1, 100_000_000).default(50_000), {
      env: 'SALLYPORT_QUEUE_CAP',
      description: 'events of one tenant that may wait; more get 503',
    }),
  })
  .prefault({});

export const keysSchema = z
  .strictObject({
    seal: setting(listOf(key32).optional(), {
      env: 'SALLYPORT_SEAL_KEY',
      description: '32 bytes in base64; a comma list rotates: the first seals, all open',
      default: 'required',
      secret: true,
      emptyIsWrong: true,
    }),
    id: setting(key32.optional(), {
      env: 'SALLYPORT_ID_KEY',
      description: '32 bytes in base64; never rotated: every remembered identity hangs on it',
      default: 'required',
      secret: true,
      emptyIsWrong: true,
    }),
  })
  .prefault({});

export const maxAge = setting(duration.prefault('24h'), {
  env: 'SALLYPORT_MAX_AGE',
  description: 'older when its turn comes: `expired`, not run',
});

/** Of one tenant, instead of `retention`. */
export const tenantRetention = setting(duration.optional(), {
  description: "how long the tenant's ended events are kept",
  default: '`retention`',
});

export const retention = setting(duration.prefault('30d'), {
  env: 'SALLYPORT_RETENTION',
  description: 'how long ended events are kept',
});
