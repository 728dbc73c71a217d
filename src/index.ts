/** The library: what a `sallyport.config.ts` imports. */
export { defineConfig } from './config/define.ts';
export type { Config, ConfigInput } from './config/schema.ts';
