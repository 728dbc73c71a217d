import type { Receiver } from '@slack/bolt';
import type { InboundEvent } from '../../../core/event.ts';
import type { Agent } from '../../agent.ts';
import { type BoltDeps, createBoltAgent } from './agent.ts';
import type { AppSource } from './app.ts';

export interface BoltAgentOptions {
  /**
   * The app, or better a function that imports it: only workers call it, so an ingress loads neither Bolt nor the app.
   * @example () => import('./bolt-app.ts')
   */
  readonly app: AppSource;
  /** Default `bolt`. */
  readonly name?: string;
  /** Which of Slack's events it gets. Default: all. */
  readonly match?: (event: InboundEvent) => boolean;
}

/** An entry of `agents` that the gate trusts with capabilities of its events. */
export interface TrustedDefinition {
  readonly name: string;
  readonly match: (event: InboundEvent) => boolean;
  readonly trusted: (deps: BoltDeps) => Pick<Agent, 'run' | 'load'>;
}

/**
 * Runs an existing Bolt app on accepted events; docs/bolt.md says what it is exempt from.
 * @example export default defineConfig({ agents: [boltAgent({ app: () => import('./bolt-app.ts') })] });
 */
export const boltAgent = ({ app, name = 'bolt', match = () => true }: BoltAgentOptions): TrustedDefinition => ({
  name,
  match: (event) => event.channel === 'slack' && match(event),
  trusted: (deps) => createBoltAgent(app, deps),
});

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
