import { z } from 'zod';
import type { Audit } from '../../queue/audit.ts';
import type { App } from '../http/context.ts';
import type { Authorize } from './auth.ts';
import { limitUpTo, readQuery } from './request.ts';

/** Entries of an answer unless told otherwise, and at most: some 400 KiB. */
const DEFAULT_LIMIT = 200;
const MAX_LIMIT = 1_000;

const query = z.strictObject({
  from: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, { error: 'must be the number of an entry, from 1' })
    .transform(Number)
    .default(1),
  limit: limitUpTo(MAX_LIMIT, DEFAULT_LIMIT),
});

/** `/audit`: the chain of the caller's tenant, an entry a line, oldest first. Nothing left is an empty answer. */
export const mountAudit =
  ({ audit, authorize }: { readonly audit: Pick<Audit, 'read'>; readonly authorize: Authorize }) =>
  (app: App): void => {
    app.get('/audit', async (c) => {
      const { tenant } = await authorize(c, 'audit:read');
      const entries = await audit.read(tenant, readQuery(c, query));
      const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
      return c.body(lines, 200, { 'content-type': 'application/x-ndjson' });
    });
  };
