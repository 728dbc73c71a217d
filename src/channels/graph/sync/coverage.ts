import { codeOf, type ErrorCode, SallyportError } from '../../../core/errors.ts';
import type { JsonValue } from '../../../core/json/json.ts';
import type { VerifyPublisher } from '../receive/publisher.ts';
import type { QuarantineReason } from './reasons.ts';

/** What the validation tokens of one request prove. */
export type Coverage =
  /** Entra tenants (lower case) for which Microsoft vouches. */
  | { readonly kind: 'covered'; readonly tenants: ReadonlySet<string> }
  /** One of them is not what Graph would send, so nothing in this request is to be trusted. */
  | { readonly kind: 'suspicious'; readonly reason: QuarantineReason };

/**
 * Verifies every token: one that is wrong condemns the request. `verify` is null where no application is configured.
 * Graph sends one token per application and tenant among the items, so more tokens than items are nobody's.
 * @throws SallyportError ERR_KEYS_UNAVAILABLE
 */
export async function coverageOf(
  tokens: readonly JsonValue[],
  items: number,
  verify: VerifyPublisher | null,
): Promise<Coverage> {
  const tenants = new Set<string>();
  if (verify === null) return { kind: 'covered', tenants };
  if (tokens.length > items) return { kind: 'suspicious', reason: 'token_malformed' };
  try {
    for (const token of tokens) {
      if (typeof token !== 'string') return { kind: 'suspicious', reason: 'token_malformed' };
      tenants.add(await verify(token));
    }
  } catch (error) {
    if (!(error instanceof SallyportError) || !error.code.startsWith('ERR_TOKEN_')) throw error;
    return { kind: 'suspicious', reason: reasonOf(codeOf(error)) };
  }
  return { kind: 'covered', tenants };
}

/** `ERR_TOKEN_AUDIENCE` as a reason: `token_audience`. */
const reasonOf = (code: ErrorCode): QuarantineReason => `token_${code.slice('ERR_TOKEN_'.length).toLowerCase()}`;
