import { getEventListeners } from 'node:events';

/** What hangs on a signal: composites that Node keeps with their source, and listeners. */
export interface Attached {
  readonly dependants: number;
  readonly listeners: number;
}

/** Node's own field, a Set of weak references from which Node 20 removes nothing. */
function dependantsOf(signal: AbortSignal): number {
  const field = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'kDependantSignals');
  const dependants: object | undefined = field === undefined ? undefined : Reflect.get(signal, field);
  // Not `instanceof Set`: it is a Set of Node's own, without the usual prototype.
  return dependants === undefined ? 0 : Number(Reflect.get(dependants, 'size'));
}

export const attachedTo = (signal: AbortSignal): Attached => ({
  dependants: dependantsOf(signal),
  listeners: getEventListeners(signal, 'abort').length,
});

export const nothingAttached: Attached = { dependants: 0, listeners: 0 };
