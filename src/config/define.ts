import type { ConfigInput } from './schema.ts';

/**
 * Types a `sallyport.config.ts`.
 * @example export default defineConfig({ tenants: { acme: { slack: { signingSecrets: [secret] } } } });
 */
export const defineConfig = (config: ConfigInput): ConfigInput => config;
