import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Formats: Google Cloud "Authentication" and "API keys" pages, Google Identity OAuth 2.0 guides, Firebase documentation. */
export const googleRules: readonly TokenRule[] = [
  // API keys of every Google service: `AIza` and 35 characters of base64url.
  { name: 'google-api-key', anchors: ['aiza'], pattern: /AIza[A-Za-z0-9_-]{35}/y },
  // Keys bound to a service account (Gemini, Vertex in express mode).
  {
    name: 'google-api-key',
    anchors: ['aq.ab'],
    pattern: /AQ\.Ab[A-Za-z0-9_-]{40,120}/y,
    boundary: 'strict',
  },
  // OAuth client secrets: a fixed prefix and 28 characters.
  { name: 'google-oauth-secret', anchors: ['gocspx-'], pattern: /GOCSPX-[A-Za-z0-9_-]{20,64}/y },
  // OAuth access tokens; federated and service-account ones have a `c.` or `d.` after the prefix.
  { name: 'google-oauth-token', anchors: ['ya29.'], pattern: /ya29\.[A-Za-z0-9_.-]{20,2048}/y },
  // OAuth refresh tokens: `1//0`, then a shard of two characters and base64url.
  { name: 'google-oauth-token', anchors: ['1//0'], pattern: /1\/\/0[A-Za-z0-9_-]{24,512}/y, boundary: 'strict' },
  // Cloud Storage HMAC access ids of service accounts; the secret beside them is 40 characters of base64.
  { name: 'google-hmac-key', anchors: ['goog1e'], pattern: /GOOG1E[A-Z0-9]{55}/y },
  { name: 'google-hmac-key', anchors: ['goog'], pattern: /GOOG[A-Z0-9]{20}(?![A-Za-z0-9])/y },
  // Firebase Cloud Messaging legacy server keys: 11 characters, a colon, 140 characters.
  {
    name: 'firebase-server-key',
    anchors: [':apa91b'],
    lead: 11,
    pattern: /AAAA[A-Za-z0-9_-]{7}:APA91b[A-Za-z0-9_-]{60,200}/y,
  },
  // The id of a service account's private key, in its JSON file. The key itself is a PEM block.
  {
    name: 'google-private-key-id',
    anchors: ['private_key_id'],
    pattern: /(private_key_id\\{0,8}["']?\s{0,8}[:=]\s{0,8}\\{0,8}["']?)[0-9a-f]{40}/y,
    accept: (id) => looksRandom(id, 20),
  },
  // Signed URLs of Cloud Storage.
  {
    name: 'google-signed-url',
    anchors: ['x-goog-signature='],
    pattern: /(X-Goog-Signature=)[0-9a-f]{64,1024}/iy,
    boundary: 'none',
  },
];
