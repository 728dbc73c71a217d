import { z } from 'zod';
import { SallyportError } from '../../core/errors.ts';
import { fetchDocument } from './fetch-document.ts';
import { type KeySet, parseKeySet } from './key-set.ts';

/** Where an issuer's keys are. */
export interface KeySource {
  /** Configured; never taken from a token. */
  readonly url: string;
  /** `openid`: the document at `url` (OpenID Connect Discovery 1.0, section 4) names the key set in `jwks_uri`. */
  readonly kind: 'jwks' | 'openid';
}

export interface FetchedKeySet {
  readonly keys: KeySet;
  readonly maxAgeMs: number | undefined;
}

const metadata = z.object({ jwks_uri: z.string() });

/** @throws SallyportError ERR_KEYS_UNAVAILABLE */
export async function fetchKeySet(source: KeySource, fetch: typeof globalThis.fetch): Promise<FetchedKeySet> {
  const url = source.kind === 'jwks' ? source.url : await discover(source.url, fetch);
  const { document, maxAgeMs } = await fetchDocument(url, fetch);
  return { keys: parseKeySet(document), maxAgeMs };
}

/** The metadata may send us to another https host (Entra does), but not from https to anything less. */
async function discover(url: string, fetch: typeof globalThis.fetch): Promise<string> {
  const { document } = await fetchDocument(url, fetch);
  const uri = metadata.safeParse(document).data?.jwks_uri ?? '';
  const target = URL.canParse(uri) ? new URL(uri) : null;
  if (target?.protocol === 'https:' || target?.origin === new URL(url).origin) return uri;
  throw new SallyportError('ERR_KEYS_UNAVAILABLE', 'the issuer names no usable key set');
}
