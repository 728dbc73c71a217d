/** A run of an agent that may call back: what `POST /callbacks/{run}` is about. */
export interface CallbackRun {
  readonly tenant: string;
  /** Whose secret the callback is signed with. */
  readonly agent: string;
  readonly eventId: string;
  readonly generation: number;
}

/** None of the parts can hold a dot, so every name is one run's. */
const NAME = /^([a-z0-9][a-z0-9-]{0,62})\.([a-z][a-z0-9-]{0,30})\.(ev_[0-9A-Z]{26})\.([1-9]\d{0,5})$/;

export const callbackRunName = ({ tenant, agent, eventId, generation }: CallbackRun): string =>
  [tenant, agent, eventId, generation].join('.');

/** Null for what `callbackRunName` did not make. */
export function readCallbackRun(name: string): CallbackRun | null {
  const [, tenant, agent, eventId, generation] = NAME.exec(name) ?? [];
  if (tenant === undefined || agent === undefined || eventId === undefined) return null;
  return { tenant, agent, eventId, generation: Number(generation) };
}

/** The step of the journal that a callback becomes. */
export const callbackStep = ({ agent, generation }: Pick<CallbackRun, 'agent' | 'generation'>): string =>
  `http:${agent}:${generation}:callback`;
