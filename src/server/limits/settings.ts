import { z } from 'zod';
import { setting } from '../../core/setting.ts';
import { rate } from '../../core/setting-values.ts';

/** How much callers of the API get. */
export const limitsSchema = z
  .strictObject({
    apiRate: setting(rate.prefault('3000/1m'), {
      env: 'SALLYPORT_API_RATE',
      description: 'requests of one subject, over all processes; more get 429',
    }),
  })
  .prefault({});
