import { isFiller, looksRandom, randomChars } from '../randomness.ts';
import type { NameKind } from './names.ts';

/** How a value stands in the text. */
export interface Standing {
  readonly isQuoted: boolean;
  /** Tied to its name by nothing but a blank: `--password hunter2`. */
  readonly isLoose: boolean;
}

/** References to a value kept elsewhere, and blanks to be filled in. */
const REFERENCE =
  /^(?:\$\{?[\w.:()-]*\}?$|\$\(|\$\{|%\{?[A-Za-z_]\w*\}?%?$|\{\{|\{%|<[^<>]*>?$|@[\w.]+@?$|\*{2,}$|\.{3}|…|\[(?:redacted|secret|hidden|filtered|masked|removed)|#\{|~\{|!\w+\s|&\w+$|env[:.[(]|vault:|secret:\/\/|op:\/\/|arn:|projects\/|ref\+|ssm:|keyring:|ENC\[)/i;

/** Words that stand where a value would, in code, forms and messages. */
const WORDS = new Set(
  (
    'true false null nil none undefined void string str text number integer int bool boolean object array any unknown bytes ' +
    'byte char varchar uuid guid required optional mandatory missing invalid incorrect wrong valid expired empty blank ' +
    'unset default example sample placeholder changeme change_me todo tbd redacted hidden masked removed password passwd ' +
    'passwort passphrase secret token key apikey api_key credential credentials username user login email name value your ' +
    'yourpassword your_password yourtoken your_token yoursecret yourkey mypassword md5 sha1 sha256 sha384 sha512 bcrypt ' +
    'scrypt argon2 argon2id pbkdf2 base64 utf8 utf-8 hex plaintext plain cleartext oauth oauth2 jwt bearer basic digest ' +
    'this self that these those yes no on off the and for not with from into same also only must should will can has have ' +
    'here there below above field input type encrypted hashed protected authentication authorization manager reset policy'
  ).split(' '),
);

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const HEX = /^[0-9a-f]+$/i;

/** `a.b.c`, `a->b`, `a::b`, `f(x)`, `x[0]`, `new X`, `await y`: code, not a value. */
const CODE =
  /^(?:[A-Za-z_$][\w$]*(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]*)+[(;,]?.*|[\w$.]+\(.*|[A-Za-z_$][\w$.]*\[.*|[!&*]?[A-Za-z_$]+)$/;
const LINK = /^(?:https?|wss?|ftp|file|git|ssh|mailto|urn|data|s3|gs):/i;
const PATH = /^(?:~|\.{1,2})?\/(?:[\w.@-]+\/)*[\w.@-]*$|^[A-Za-z]:\\/;

/** True when a value under a name of this kind is to be hidden. */
export function isSecretValue(value: string, kind: NameKind, standing: Standing): boolean {
  if (value.length < 4 || REFERENCE.test(value) || LINK.test(value) || WORDS.has(value.toLowerCase())) return false;
  if (isFiller(value) && !/^\d+$/.test(value)) return false;
  if (kind === 'password') return isPassword(value, standing);
  if (/\s/.test(value) || PATH.test(value)) return false;
  if (kind === 'secret') return isGenerated(value, standing);
  return isClearlyGenerated(value);
}

/** Chosen by a person: a digit, a sign or mixed case inside is enough; quoted, so is an uncommon word. */
function isPassword(value: string, { isQuoted, isLoose }: Standing): boolean {
  if (isSentence(value)) return false;
  if (PATH.test(value)) return false;
  const letters = /[A-Za-z]/.test(value);
  const digits = /\d/.test(value);
  if (/^\d+$/.test(value)) return value.length >= 4 && !isLoose;
  if (!isQuoted && CODE.test(value) && !(digits && /^\w+$/.test(value))) return false;
  if (letters && digits)
    return value.length >= (isLoose ? 6 : 4) && !/^[A-Za-z]{1,8}\d{0,2}\+?$/.test(isLoose ? value : '');
  if (/[^\w\s.,:;/()[\]{}<>=&|"'`-]/.test(value) && /\w{2}/.test(value)) return value.length >= 6;
  if (isLoose) return false;
  return isQuoted && value.length >= 6 && !/^[A-Z]/.test(value) && !/[\s.]/.test(value) && !isCamel(value);
}

const isCamel = (value: string): boolean => /^[a-z]+[A-Z]/.test(value) || /^[a-z]+(?:[_-][a-z]+)+$/.test(value);

/** Three words or more, or two of letters only: text about passwords. A passphrase has its own name and is quoted. */
function isSentence(value: string): boolean {
  const words = value.trim().split(/\s+/);
  return words.length > 2 || (words.length === 2 && words.every((word) => /^[A-Za-z'.,:!?-]+$/.test(word)));
}

/** Made by a machine: letters and digits that no word explains, or signs among them. */
function isGenerated(value: string, { isLoose }: Standing): boolean {
  if (UUID.test(value)) return true;
  if (/^\d+$/.test(value)) return value.length >= 15;
  const least = isLoose ? 12 : 8;
  if (value.length < least) return false;
  if (HEX.test(value)) return value.length >= 12 && /\d/.test(value) && /[a-f]/i.test(value);
  if (/^[0-9a-f]{6,}:[0-9a-f]{6,}$/i.test(value)) return true;
  if (CODE.test(value) && randomChars(value) < 12) return false;
  if (looksRandom(value, least)) return true;
  return !isLoose && /[^\w.\-/:@,;()[\]{}<>=+'"`|&?#\s$%*\\]/.test(value) && /\d/.test(value) && /[A-Za-z]/.test(value);
}

/** So long and so mixed that the name hardly matters; identifiers of any kind (UUIDs, hashes) are left alone. */
function isClearlyGenerated(value: string): boolean {
  if (value.length < 16 || UUID.test(value) || HEX.test(value)) return false;
  return /\d/.test(value) && /[A-Za-z]/.test(value) && looksRandom(value, 14) && /^[\w+/=.~:%-]+$/.test(value);
}
