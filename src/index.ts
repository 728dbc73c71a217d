/** The library: what a `sallyport.config.ts` imports. */
export { defineConfig } from './config/define.ts';
export type { Config, ConfigInput } from './config/schema.ts';
export { type BoltAgentOptions, boltAgent } from './workers/agent/bolt/define.ts';
export { boltReceiver } from './workers/agent/bolt/receiver.ts';
