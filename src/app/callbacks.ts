import type { Config } from '../config/schema.ts';
import { type CallbackDeps, mountCallbacks } from '../server/callbacks/callbacks.ts';
import type { App } from '../server/http/context.ts';
import { httpEndpoints } from '../workers/agents/http/settings.ts';

/** `/callbacks/{run}`, where there are agents that may call back: programs behind HTTP, each with its own secrets. */
export function callbackRoutes(config: Config, deps: Omit<CallbackDeps, 'keysOf'>): readonly ((app: App) => void)[] {
  const secrets = new Map(httpEndpoints(config).map(({ name, http }) => [name, http.secrets]));
  if (secrets.size === 0) return [];
  return [mountCallbacks({ ...deps, keysOf: (name) => secrets.get(name) ?? [] })];
}
