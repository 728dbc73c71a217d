import * as z from 'zod';
import { setting } from '../core/setting.ts';
import { proxyUrl } from '../core/setting-values.ts';

/** What leaves the process. */
export const outboundSchema = z
  .strictObject({
    proxy: setting(proxyUrl.optional(), {
      env: 'SALLYPORT_HTTPS_PROXY',
      description:
        '`http(s)://user:password@host:port`; vendors and models are reached through it (CONNECT), private hosts and everything else never',
      secret: true,
    }),
  })
  .prefault({});
