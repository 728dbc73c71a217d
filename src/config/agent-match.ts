import { z } from 'zod';
import { channelNames } from '../channels/registry.ts';
import type { InboundEvent } from '../core/event.ts';
import { flag } from '../core/setting-values.ts';

type Match = (event: InboundEvent) => boolean;

const channel = z.enum(channelNames, { error: `must be one of ${channelNames.join(', ')}` });

/** For files that hold no code: all that is named has to hold. */
const conditions = z
  .strictObject({
    channels: z.array(channel).min(1, { message: 'is empty' }).optional(),
    /** Whether the app was addressed by name. */
    mentioned: flag.optional(),
  })
  .transform(
    ({ channels, mentioned }): Match =>
      (event) =>
        (channels?.includes(event.channel) ?? true) && (mentioned ?? event.mentioned) === event.mentioned,
  );

/** Whether an agent answers an event: a function, or conditions. */
export const matchSchema = z.union([z.custom<Match>((value) => typeof value === 'function'), conditions], {
  error: 'must be a function, or channels and mentioned',
});
