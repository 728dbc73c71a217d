import type { ContextRule, Report } from '../rules/rule.ts';
import { kindOfName, type NameKind } from './names.ts';
import { readOperator } from './operator.ts';
import { readValue } from './value.ts';
import { VENDORS } from './vendors.ts';
import { isSecretValue } from './verdict.ts';

/** Names longer than this are not names but a piece of encoded data. */
const LONGEST_NAME = 80;

/** Every telling name holds one of these; found cheaply, then read as a whole. */
const NAME_PARTS = [
  'pass',
  'pwd',
  'psw',
  'secret',
  'token',
  'key',
  'auth',
  'credential',
  'creds',
  'bearer',
  'jwt',
  'sessi',
  'sid',
  'cookie',
  'login',
  'access',
  'sig',
  'dsn',
  'seed',
  'mnemonic',
  'salt',
  'psk',
  'otp',
  'cvv',
  'cvc',
  'pat',
  'hash',
  'crumb',
  'mdp',
  'contrase',
  'clave',
  'senha',
  'kennwort',
  'wachtwoord',
  'senord',
  'adgangskode',
  'kodeord',
  'salasana',
  'haslo',
  'hasło',
  'heslo',
  'jelsz',
  'parol',
  'şifre',
  'sifre',
  'lozinka',
  'geslo',
  'пароль',
  'парола',
  'лозинка',
  'hook',
  'hapi',
  'pin',
  'pw',
];

export const RULE_OF: Readonly<Record<NameKind, string>> = {
  password: 'password',
  secret: 'named-secret',
  code: 'password',
  weak: 'named-secret',
};

/** Values that their name gives away, in any of the notations of `operator.ts`. */
export const assignments: ContextRule = {
  names: ['password', 'named-secret'],
  anchors: [...NAME_PARTS, ...VENDORS],
  open(text, report) {
    let readTo = 0;
    return (anchorStart, anchorEnd) => {
      if (anchorStart < readTo) return;
      const end = nameEnd(text, anchorEnd);
      readTo = end;
      readAssignment(text, nameStart(text, anchorStart), end, report);
    };
  },
};

function readAssignment(text: string, start: number, end: number, report: Report): void {
  if (end - start > LONGEST_NAME) return;
  const operator = readOperator(text, start, end);
  if (operator === null) return;
  const name = text.slice(start, end);
  const kind = kindOfName(name) ?? kindOfName(withWordsBefore(text, start, name));
  if (kind === null) return;
  if (isBadge(text, start)) return;
  const isFlag = /^--?[A-Za-z]/.test(name) || /^\/[A-Za-z]/.test(text.slice(start - 1, start + 1));
  if (operator.kind === 'blank' && !isFlag && !/["'`]/.test(text[operator.end] ?? '')) return;
  const value = readValue(text, operator, { isTyped: kind === 'password' && !isInQuery(text, start) });
  if (value === null) return;
  const isLoose = (operator.kind === 'blank' && !isFlag) || (operator.kind === 'call' && !isArgument(text, start));
  const standing = { isQuoted: value.isQuoted, isLoose };
  if (!isSecretValue(text.slice(value.start, value.end), kind, standing)) return;
  report({ rule: RULE_OF[kind], start: value.start, end: value.end, rank: 1 });
}

const NAME_CHAR = /[\p{L}\p{N}_$.-]/u;

function nameStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && at - start <= LONGEST_NAME && NAME_CHAR.test(text[start - 1] as string)) start -= 1;
  return start;
}

function nameEnd(text: string, at: number): number {
  let end = at;
  while (end < text.length && end - at <= LONGEST_NAME && NAME_CHAR.test(text[end] as string)) end += 1;
  while (end > at && /[.\-$]/.test(text[end - 1] as string)) end -= 1;
  return end;
}

/** In prose a name has several words: `API key:`, `client secret =`. */
function withWordsBefore(text: string, start: number, name: string): string {
  const before = /(?:[A-Za-z]{2,16} ){1,3}$/.exec(text.slice(Math.max(0, start - 50), start));
  return before === null ? name : before[0] + name;
}

/** `set("name", "value")`; in a list of names the next is no value. */
const isArgument = (text: string, start: number): boolean =>
  /\(\s{0,2}\\{0,8}["'`]$/.test(text.slice(Math.max(0, start - 12), start));

/** The token in a badge's address only draws a graph; projects publish it in their README (Codecov, "Badges"). */
const isBadge = (text: string, start: number): boolean =>
  text[start - 1] === '?' && /badge[\w./-]{0,24}\?$/.test(text.slice(Math.max(0, start - 32), start));

const isInQuery = (text: string, start: number): boolean => text[start - 1] === '?' || text[start - 1] === '&';
