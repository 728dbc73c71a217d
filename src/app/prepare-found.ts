import type { ParsedEvent } from '../channels/channel.ts';
import type { InboundEvent } from '../core/event.ts';
import { prepareFound } from '../server/hooks/prepare.ts';
import type { Runtime } from './runtime.node.ts';

/** Cleans and seals what was found at a vendor, as deliveries are. */
export const preparing =
  ({ scrub, sealer, metrics: { meter } }: Runtime) =>
  (found: readonly ParsedEvent[]): readonly InboundEvent[] =>
    prepareFound(found, { scrub, sealer, meter });
