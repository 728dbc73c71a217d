import * as z from 'zod';
import type { Audit } from '../../queue/audit.ts';
import type { App } from '../http/context.ts';
import type { Endpoint } from './endpoint.ts';
import { limitUpTo } from './request.ts';

/** Entries of an answer unless told otherwise, and at most: some 400 KiB. */
const DEFAULT_LIMIT = 200;
const MAX_LIMIT = 1_000;

const query = z.strictObject({
  from: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, { error: 'must be the number of an entry, from 1' })
    .transform(Number)
    .default(1)
    .describe('number of the first entry, from 1'),
  limit: limitUpTo(MAX_LIMIT, DEFAULT_LIMIT),
});

/** `/audit`: the chain of the caller's tenant, an entry a line, oldest first. Nothing left is an empty answer. */
export const mountAudit =
  ({ audit, endpoint }: { readonly audit: Pick<Audit, 'read'>; readonly endpoint: Endpoint }) =>
  (app: App): void => {
    const about = {
      id: 'readAudit',
      summary: 'Read the audit of the tenant',
      description:
        'Oldest first, an entry a line: `{ seq, at, tenant, actor, action, subject, data, prev, hash }`. Go on with `from` after the last `seq`; an empty answer is the end.',
      scope: 'audit:read',
      query,
      answers: { 200: { description: 'entries as JSON lines', content: 'application/x-ndjson' } },
    } as const;
    app.get(
      '/audit',
      endpoint(about, async ({ c, caller, query: range }) => {
        const entries = await audit.read(caller.tenant, range);
        const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
        return c.body(lines, 200, { 'content-type': 'application/x-ndjson' });
      }),
    );
  };
