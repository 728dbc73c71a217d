import { isFiller, looksRandom, randomChars } from '../randomness.ts';
import type { NameKind } from './names.ts';
import { BLANK, DIGIT, has, isOnly, JOINT, LETTER, LOWER, SIGN, traitsOf, UNDERSCORE, UPPER } from './traits.ts';

/** How a value stands in the text. */
export interface Standing {
  readonly isQuoted: boolean;
  /** Tied to its name by nothing but a blank: `--password hunter2`. */
  readonly isLoose: boolean;
}

/** References to a value kept elsewhere, blanks to be filled in, keys to be pressed. */
const REFERENCE =
  /^(?:\$\{?[\w.:()-]*\}?$|\$\(|\$\{|%\{?[A-Za-z_]\w*\}?%?$|\{\{|\{%|<[^<>]*>?$|@[\w.]+@?$|\*{2,}$|\.{3}|…|\[(?:redacted|secret|hidden|filtered|masked|removed)|#\{|~\{|!\w+\s|&#?\w+;|\{[\w.!:()]*\}?$|&\w+$|env[:.[(]|vault:|secret:\/\/|op:\/\/|arn:|projects\/|ref\+|ssm:|keyring:|ENC\[|(?:ctrl|control|strg|alt|shift|cmd|command|win)\+|\/\^|0x[0-9a-f]{1,16}$)/i;

/** What is hidden already says nothing about the rest. */
const HIDDEN = /\[secret:[a-z0-9-]{1,40}#[0-9a-f]{4}\]?|\[secret:/g;

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

/** `a.b.c`, `a->b`, `a::b`, `f(x)`, `x[0]`, one identifier: code, not a value. */
const CODE =
  /^(?:[!&*]?[A-Za-z_$][\w$]{0,64}(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]{0,64}){1,16}(?:$|[(;,?])|[\w$.!?#]{1,128}\(|[A-Za-z_$][\w$.]{0,128}\[|[!&*]?[A-Za-z_$]{1,256}$)/;
const LINK = /^(?:https?|wss?|ftp|file|git|ssh|mailto|urn|data|s3|gs):/i;
const PATH = /^(?:~|\.{1,2})?\/(?:[\w.@-]+\/)*[\w.@-]*$|^[A-Za-z]:\\/;
const DATE = /^\d{4}-\d{2}-\d{2}(?:[T ]|$)|^\d{1,2}[:/.]\d{2}\b/;
/** Longest of the words. */
const LONGEST_WORD = 16;

/** True when a value under a name of this kind is to be hidden. */
export function isSecretValue(value: string, kind: NameKind, standing: Standing): boolean {
  if (value.includes('[secret:')) return isSecretValue(value.replaceAll(HIDDEN, ''), kind, standing);
  if (kind === 'code') return /^\d{4,8}$/.test(value);
  if (value.length < 4) return false;
  const traits = traitsOf(value);
  if (!isOnly(traits, DIGIT | LETTER) && (REFERENCE.test(value) || LINK.test(value) || DATE.test(value))) return false;
  if (value.length <= LONGEST_WORD && WORDS.has(value.toLowerCase())) return false;
  if ((kind !== 'password' || traits !== DIGIT) && isFiller(value)) return false;
  if (kind === 'password') return isPassword(value, traits, standing);
  if (has(traits, BLANK) || (has(traits, JOINT) && PATH.test(value))) return false;
  return kind === 'secret' ? isGenerated(value, traits, standing) : isClearlyGenerated(value, traits);
}

/** Chosen by a person: a digit, a sign or mixed case inside is enough; quoted, so is an uncommon word. */
function isPassword(value: string, traits: number, { isQuoted, isLoose }: Standing): boolean {
  if (has(traits, BLANK)) return isQuoted && !isLoose && (isPassphrase(value) || isSpacedPassword(value, traits));
  if (has(traits, JOINT) && PATH.test(value)) return false;
  if (isLoose) return isMixedPassword(value, traits);
  if (traits === DIGIT) return true;
  const isIdentifier = isOnly(traits, DIGIT | LETTER | UNDERSCORE) && has(traits, DIGIT);
  if (!isQuoted && !isIdentifier && CODE.test(value)) return false;
  if (has(traits, DIGIT) && has(traits, LETTER)) return value.length >= 5;
  if (has(traits, SIGN) && /\w{2}/.test(value)) return value.length >= 6;
  return isQuoted && (isUncommonName(value) || randomChars(value) >= 6);
}

/** Beside the name only by chance, perhaps: letters and digits, and more than a version or a model number. */
const isMixedPassword = (value: string, traits: number): boolean =>
  has(traits, DIGIT) &&
  has(traits, LETTER) &&
  /^[\w!@#$%^&*+?=~.-]{6,64}$/.test(value) &&
  !/^[A-Za-z]{1,8}[\d.-]{0,3}\+?$/.test(value);

/** One lower-case word or name that is no identifier of a program. */
const isUncommonName = (value: string): boolean =>
  value.length >= 6 && /^[a-z][a-z-]*$/.test(value) && !/^[a-z]+(?:-[a-z]+)+$/.test(value);

/** Words of a phrase somebody would have to remember; text about passwords has others. */
const ABOUT = new Set(
  (
    'the your you must please enter reset forgot login account user username email password passwort passwords secret token ' +
    'and for with not has have was are invalid wrong incorrect new old change changed required confirm again this that from'
  ).split(' '),
);

function isPassphrase(value: string): boolean {
  const words = value.split(' ');
  return (
    words.length >= 3 && words.length <= 12 && words.every((word) => /^[a-z]{3,12}$/.test(word) && !ABOUT.has(word))
  );
}

/** Two parts that are no words: both a digit and a letter somewhere, and neither part a number. */
function isSpacedPassword(value: string, traits: number): boolean {
  const words = value.trim().split(/\s+/);
  return (
    words.length === 2 &&
    value.length <= 40 &&
    has(traits, DIGIT) &&
    has(traits, LETTER) &&
    !words.some((word) => /^\d+$/.test(word))
  );
}

/** Made by a machine: letters and digits that no word explains, or signs among them. */
function isGenerated(value: string, traits: number, { isLoose }: Standing): boolean {
  if (traits === DIGIT) return value.length >= LEAST_DIGITS;
  const least = isLoose ? 12 : 8;
  if (value.length < least) return false;
  const isMixed = has(traits, DIGIT) && has(traits, LETTER);
  if (isMixed && HEX.test(value)) return value.length >= 12;
  if (has(traits, JOINT) && (UUID.test(value) || /^[0-9a-f]{6,64}:[0-9a-f]{6,64}$/i.test(value))) return true;
  if (!isOnly(traits, DIGIT | LETTER) && CODE.test(value) && randomChars(value) < 12) return false;
  if (looksRandom(value, least) || (isMixed && isInterleaved(value))) return true;
  return !isLoose && isMixed && has(traits, SIGN) && /[^+?#$%*\w.:/\\-]/.test(value);
}

/** Letters follow digits again and again: keys drawn with `_` and `-` among their characters fall into short pieces. */
function isInterleaved(value: string): boolean {
  if (value.length < 14 || value.length > 200 || !/^[\w=+.-]+$/.test(value)) return false;
  return (value.match(/\d[A-Za-z]/g)?.length ?? 0) >= 3;
}

/** Digits from which on a number is a key: shorter ones are amounts, dates and identifiers. */
const LEAST_DIGITS = 15;

/** So long and so mixed that the name hardly matters; identifiers of any kind (UUIDs, hashes) are left alone. */
function isClearlyGenerated(value: string, traits: number): boolean {
  if (value.length < 16 || !has(traits, DIGIT) || !has(traits, LOWER | UPPER)) return false;
  if (UUID.test(value) || HEX.test(value) || !looksRandom(value, 14)) return false;
  return /^[\w+/=.~:%-]+$/.test(value);
}
