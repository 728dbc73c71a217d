import { z } from 'zod';
import { fromBase64, toHex } from '../core/crypto/encoding.ts';
import { durationAtLeast, durationBetween, httpUrl } from '../core/setting-values.ts';

/** How every Ed25519 private key begins as PKCS #8 (RFC 8410, 7); 32 bytes follow. */
const ED25519 = '302e020100300506032b657004220420';

const signingKey = z.string({ error: 'must be text' }).transform((text, context) => {
  const der = fromBase64(text.trim());
  if (der?.length === 48 && toHex(der).startsWith(ED25519)) return der;
  context.addIssue({
    code: 'custom',
    message: 'must be an Ed25519 key, PKCS #8 in base64 (sallyport keygen prints one)',
  });
  return z.NEVER;
});

/** The chain of who did what. */
export const auditSchema = z
  .strictObject({
    /** Older entries are trimmed. An export verifies without them and says where it begins. */
    keep: durationAtLeast(3_600_000, 'what happened must be readable for a while').prefault('90d'),
    /** Signs checkpoints. */
    key: signingKey.optional(),
    /** A file that is appended to, or a URL they are posted to. */
    checkpoints: z
      .union(
        [
          httpUrl,
          z
            .string()
            .min(1)
            .regex(/^(?!https?:)/),
        ],
        { error: 'must be a file or a URL' },
      )
      .optional(),
    /** How often one worker says how the chains end. */
    every: durationBetween('1s', '24h').prefault('5m'),
  })
  .refine(({ key, checkpoints }) => key !== undefined || checkpoints === undefined, {
    message: 'checkpoints need a key (SALLYPORT_AUDIT_KEY)',
    path: ['checkpoints'],
  })
  .prefault({});

export const auditEnvironment: Readonly<Record<string, readonly string[]>> = {
  SALLYPORT_AUDIT_KEEP: ['audit', 'keep'],
  SALLYPORT_AUDIT_KEY: ['audit', 'key'],
  SALLYPORT_AUDIT_CHECKPOINTS: ['audit', 'checkpoints'],
  SALLYPORT_AUDIT_EVERY: ['audit', 'every'],
};
