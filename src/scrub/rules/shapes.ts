import { looksRandom } from '../randomness.ts';

/**
 * A kind of secret that has a form but no literal to find it by. Tried on runs of token characters that are long
 * enough and hold a piece no word explains.
 */
export interface ShapeRule {
  readonly name: string;
  /** Bounded. Sticky where it is tried at the beginnings within a run, global where it is searched for in a text. */
  readonly pattern: RegExp;
  readonly accept: (secret: string) => boolean;
}

const isMixed = (text: string): boolean => /[a-z]/.test(text) && /[A-Z]/.test(text) && /\d/.test(text);

/** Parts by which vendors mark their keys; one of them in front of a generated part makes a key of any vendor. */
const MARKS =
  /^(?:sk|pk|rk|ak|api|key|apikey|token|tok|tkn|pat|sat|secret|sec|live|prod|test|access|auth|oauth|refresh|client|svc|service|admin|priv|private|sess|session|bot|cred|webhook|whsec|hook|signing|deploy|personal|pw|pass|password)$/i;

export const shapeRules: readonly ShapeRule[] = [
  // AWS secret access keys: 40 base64 characters, usually next to the key id but recognisable without it.
  {
    name: 'aws-secret-key',
    pattern: /[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=~-]|_[A-Za-z0-9])/y,
    accept: (key) => isMixed(key) && looksRandom(key, 20) && !/\d{8}|[a-z]{10}/.test(key),
  },
  // Discord bot tokens: base64 of the application id (a number, so it begins with M, N or O), a timestamp, a signature.
  {
    name: 'discord-token',
    pattern: /[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,42}(?![A-Za-z0-9_-])/y,
    accept: isMixed,
  },
  // Mailgun webhook signing keys: 32, 8 and 8 hexadecimal digits.
  {
    name: 'mailgun-key',
    pattern: /[a-h0-9]{32}-[a-h0-9]{8}-[a-h0-9]{8}(?![A-Za-z0-9_-])/y,
    accept: (key) => looksRandom(key, 30),
  },
  // Zhipu (GLM): 32 hexadecimal digits, a dot, 16 characters.
  {
    name: 'zhipu-key',
    pattern: /[0-9a-f]{32}\.[A-Za-z0-9]{16}(?![A-Za-z0-9_-])/y,
    accept: (key) => isMixed(key.slice(33)),
  },
  // Bitcoin private keys for import: base58, 51 or 52 characters, first one of 5, K and L.
  {
    name: 'wallet-key',
    pattern: /[5KL][1-9A-HJ-NP-Za-km-z]{50,51}(?![A-Za-z0-9+/=-]|_[A-Za-z0-9])/y,
    accept: (key) => isMixed(key) && looksRandom(key, 45),
  },
  // Azure DevOps personal access tokens of old: 52 characters of base32.
  {
    name: 'azure-devops-token',
    pattern: /[a-z2-7]{52}(?![A-Za-z0-9+/=-]|_[A-Za-z0-9])/y,
    accept: (token) => looksRandom(token, 50),
  },
  {
    name: 'vendor-key',
    pattern: /[A-Za-z][A-Za-z0-9]{0,15}(?:[_-][A-Za-z0-9]{1,24}){0,4}[_-][A-Za-z0-9]{20,200}(?![A-Za-z0-9+/=])/y,
    accept: isVendorKey,
  },
];

function isVendorKey(key: string): boolean {
  const parts = key.split(/[_-]/);
  const body = parts.at(-1) as string;
  if (/^[0-9a-f]+$/.test(body) && body.length < 32) return false;
  return (
    parts.slice(0, -1).some((part) => MARKS.test(part)) &&
    /\d/.test(body) &&
    /[A-Za-z]/.test(body) &&
    looksRandom(body, 18)
  );
}
