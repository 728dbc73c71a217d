import type { Receiver } from '@slack/bolt';

/**
 * Stands in for Bolt's own receiver in an app whose events come from the gate: it opens no port and asks for no signing
 * secret, because the gate has verified what it hands over. `app.start()` may be called or left out.
 * @example export const app = new App({ receiver: boltReceiver(), token: process.env.SLACK_BOT_TOKEN });
 */
export const boltReceiver = (): Receiver => ({
  init() {},
  start: async () => undefined,
  stop: async () => undefined,
});
