import { nodeCrypto } from '../core/crypto/crypto.node.ts';
import { createLogScrubber } from '../scrub/log-scrub.ts';
import { createScrubber } from '../scrub/scrubber.ts';

/** Text of others for a terminal: one line, without secrets and without characters that move the cursor. */
export function oneLine(text: string): string {
  // Digests under a key that is gone with the process: nothing needs to be recognised again.
  const scrubber = createScrubber({ crypto: nodeCrypto, key: nodeCrypto.random(32) });
  return createLogScrubber(scrubber)(text.trimEnd());
}

/** An error nobody expected: its message may quote whatever went wrong. Its stack quotes even more and is left out. */
export const errorLine = (error: unknown): string =>
  error instanceof Error ? oneLine(`${error.name}: ${error.message}`) : 'unknown failure';
