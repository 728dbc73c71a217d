import type { z } from 'zod';
import { SallyportError } from '../../core/errors.ts';
import { readBodyStream } from '../http/body.ts';
import type { AppContext } from '../http/context.ts';

/** Bodies of the API are settings and short texts. */
const LIMITS = { maxBytes: 64 * 1024, timeoutMs: 10_000 };

/**
 * The body of an API call, in the shape it must have.
 * @throws SallyportError ERR_BODY_UNPARSABLE, ERR_INVALID_REQUEST, or as `readBodyStream`
 */
export async function readJson<T>(c: AppContext, shape: z.ZodType<T>): Promise<T> {
  const bytes = await readBodyStream(c.req.raw, LIMITS);
  const parsed = shape.safeParse(parse(bytes));
  if (!parsed.success) throw new SallyportError('ERR_INVALID_REQUEST', 'the body does not have the shape it must have');
  return parsed.data;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body is not JSON');
  }
}
