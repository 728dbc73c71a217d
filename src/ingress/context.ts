import type { Context, Hono } from 'hono';
import { problem } from './respond.ts';

/** What handlers of hooks find on their context. */
export interface Variables {
  requestId: string;
}
export type App = Hono<{ Variables: Variables }>;
export type AppContext = Context<{ Variables: Variables }>;

/** The same answer for an unknown path, an unknown tenant and a channel that is not configured. */
export const unknownRoute = (c: AppContext): Response => problem('ERR_UNKNOWN_ROUTE', 'Not found', c.get('requestId'));
