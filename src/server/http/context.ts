import type { Context, Hono } from 'hono';
import { SallyportError } from '../../core/errors.ts';
import { problem } from './respond.ts';

export type App = Hono;
export type AppContext = Context;

/** The same answer for an unknown path, an unknown tenant and a channel that is not configured. */
export const unknownRoute = (requestId: string): Response =>
  problem(new SallyportError('ERR_UNKNOWN_ROUTE', ''), requestId);
