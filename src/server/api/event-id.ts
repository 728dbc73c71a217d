import { SallyportError } from '../../core/errors.ts';
import type { AppContext } from '../http/context.ts';

/** The id in a path. Names of records go into keys of the store: what is not one of our ids is not even asked for. */
export function eventId(c: AppContext): string {
  const id = c.req.param('id') ?? '';
  if (!/^ev_[0-9A-Z]{26}$/.test(id)) throw notFound();
  return id;
}

export const notFound = (): SallyportError => new SallyportError('ERR_NOT_FOUND', 'no such event');
