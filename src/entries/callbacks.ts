import type { Config } from '../config/schema.ts';
import { type CallbackDeps, mountCallbacks } from '../ingress/callbacks.ts';
import type { App } from '../ingress/context.ts';

/** `/callbacks/{run}`, where there is an agent that may call back: only `http` does. */
export function callbackRoutes({ agent }: Config, deps: Omit<CallbackDeps, 'keysOf'>): readonly ((app: App) => void)[] {
  const { secrets } = agent.http;
  if (secrets === undefined) return [];
  return [mountCallbacks({ ...deps, keysOf: (name) => (name === 'http' ? secrets : []) })];
}
