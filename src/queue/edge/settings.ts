import * as z from 'zod';
import { setting } from '../../core/setting.ts';
import { bytes, httpUrl, integer } from '../../core/setting-values.ts';

/** Where a Durable Object is made (developers.cloudflare.com/durable-objects/reference/data-location). */
const locations = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'] as const;

/** The edge: where it keeps what it accepts, and to whom it hands it over. */
export const edgeSchema = z
  .strictObject({
    relayUrl: setting(httpUrl.optional(), {
      env: 'SALLYPORT_RELAY_URL',
      description: "the origin's `/relay`, by https; what the edge accepts goes there. Required at the edge",
      default: 'none',
    }),
    shards: setting(integer(1, 64).default(8), {
      env: 'SALLYPORT_EDGE_SHARDS',
      description:
        'Durable Objects of each tenant; set it before the first deployment, and change it only with empty outboxes',
    }),
    location: setting(z.enum(locations).optional(), {
      env: 'SALLYPORT_EDGE_LOCATION',
      description: `where the objects are made: ${locations.join(', ')}`,
      default: 'near the first delivery',
    }),
    jurisdiction: setting(z.enum(['eu', 'us', 'fedramp']).optional(), {
      env: 'SALLYPORT_EDGE_JURISDICTION',
      description:
        'keeps the objects in `eu`, `us` or `fedramp`; it is part of their names, so set it before the first deployment',
      default: 'none',
    }),
    passOnOver: setting(bytes.prefault('256KiB'), {
      env: 'SALLYPORT_EDGE_PASS_ON_OVER',
      description:
        'larger bodies are passed on to the origin, which accepts them itself, and are answered 503 while it is away',
    }),
  })
  .prefault({});
