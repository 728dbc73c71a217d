import * as z from 'zod';
import { setting } from '../../core/setting.ts';
import { key32, listOf } from '../../core/setting-values.ts';

/** The edge that hands over what it accepted. */
export const relaySchema = z
  .strictObject({
    keys: setting(listOf(key32).optional(), {
      env: 'SALLYPORT_RELAY_KEY',
      description:
        'what the [edge](edge.md) signs with: 32 bytes in base64; a comma list rotates: the first signs answers, all verify; without one there is no `/relay`',
      default: 'none',
      secret: true,
      emptyIsWrong: true,
    }),
  })
  .prefault({});
