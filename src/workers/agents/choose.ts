import { SallyportError } from '../../core/errors.ts';
import type { InboundEvent } from '../../core/event.ts';

/** What decides who answers an event. */
export interface Candidate {
  readonly name: string;
  /** Absent: everything. */
  readonly match?: ((event: InboundEvent) => boolean) | undefined;
}

export interface Choice<T extends Candidate> {
  /** In the order in which they are asked. */
  readonly candidates: readonly T[];
  /** Names a tenant allows; null: all. */
  readonly allowed: (tenant: string) => ReadonlySet<string> | null;
}

/**
 * Who answers an event: the first candidate its tenant allows that matches it.
 * @throws SallyportError ERR_AGENT_FAILED: a `match` threw
 */
export function choose<T extends Candidate>(event: InboundEvent, { candidates, allowed }: Choice<T>): T | null {
  const names = allowed(event.tenant);
  try {
    return candidates.find(({ name, match }) => (names?.has(name) ?? true) && (match?.(event) ?? true)) ?? null;
  } catch (error) {
    throw new SallyportError('ERR_AGENT_FAILED', 'whether an agent matches could not be decided', { cause: error });
  }
}
