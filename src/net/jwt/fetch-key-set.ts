import * as z from 'zod';
import { SallyportError } from '../../core/errors.ts';
import { withinTime } from '../../core/linked-signal.ts';
import { parseUrl } from '../../core/text/url.ts';
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
  const target = parseUrl(uri);
  if (target?.protocol === 'https:' || target?.origin === new URL(url).origin) return uri;
  throw new SallyportError('ERR_KEYS_UNAVAILABLE', 'the issuer names no usable key set');
}

/** Entra's key set, the largest of ours, has about 20 KiB. */
const MAX_BYTES = 256 * 1024;

/** Milliseconds: a delivery may be waiting for the keys, and its sender gives it 3 s. */
const TIMEOUT_MS = 2_000;

interface FetchedDocument {
  readonly document: unknown;
  /** `Cache-Control: max-age` in milliseconds; undefined where the issuer says nothing. */
  readonly maxAgeMs: number | undefined;
}

/**
 * Gets a JSON document of an issuer. Redirects are not followed: the address is configured, and it is the whole trust.
 * @throws SallyportError ERR_KEYS_UNAVAILABLE
 */
async function fetchDocument(url: string, fetch: typeof globalThis.fetch): Promise<FetchedDocument> {
  try {
    return await withinTime(TIMEOUT_MS, undefined, async (signal) => {
      const headers = { accept: 'application/json' };
      const response = await fetch(url, { headers, redirect: 'manual', signal });
      const document: unknown = JSON.parse(await readText(response));
      return { document, maxAgeMs: maxAgeOf(response.headers.get('cache-control')) };
    });
  } catch (cause) {
    throw new SallyportError('ERR_KEYS_UNAVAILABLE', 'the keys of the issuer could not be fetched', { cause });
  }
}

async function readText(response: Response): Promise<string> {
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`the issuer answered ${response.status}`);
  }
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  const reader = response.body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    size += read.value.byteLength;
    if (size > MAX_BYTES) {
      await reader.cancel();
      throw new Error('the key set is too large');
    }
    text += decoder.decode(read.value, { stream: true });
  }
  return text + decoder.decode();
}

/** RFC 9111, 5.2.2.1. */
function maxAgeOf(cacheControl: string | null): number | undefined {
  const seconds = /(?:^|[\s,])max-age="?(\d{1,9})/i.exec(cacheControl ?? '')?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
