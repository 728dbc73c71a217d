import type { Config } from '../config/schema.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import { createLog, type Log } from '../ops/log.ts';
import { createLogScrubber, createVouch } from '../scrub/log-scrub.ts';
import type { Scrub } from '../scrub/scrub.ts';
import { createScrubber } from '../scrub/scrubber.ts';

/** The scrubber, and the log that nothing passes without it. `idKey` is `SALLYPORT_ID_KEY`. */
export function openLog(
  { logLevel }: Config,
  crypto: Crypto,
  idKey: Uint8Array,
  isPretty: boolean,
): { readonly scrub: Scrub; readonly log: Log } {
  const scrub = createScrubber({ crypto, key: crypto.hmacSha256(idKey, 'scrub') });
  const passes = { scrubLine: createLogScrubber(scrub), vouch: createVouch(scrub) };
  return { scrub, log: createLog({ level: logLevel, ...passes, isPretty }) };
}
