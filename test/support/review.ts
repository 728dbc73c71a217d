import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import type { ReviewPolicy } from '../../src/core/review.ts';

const identifier = createIdentifier(nodeCrypto, new Uint8Array(32).fill(7));

/** What workers and the API know of reviews; no reply waits unless told so. */
export const reviewing = (policy: Partial<ReviewPolicy> = {}) => ({
  identifier,
  reviewPolicy: (): ReviewPolicy => ({ replies: 'never', expires: 86_400_000, approvers: [], ...policy }),
});
