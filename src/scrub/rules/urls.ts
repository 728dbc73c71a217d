import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Passwords that stand for one in documentation. */
const STAND_IN = /^(?:[$%<{[].*|x{3,}|\*{1,}|\.{3,}|password|passwd|pass|pwd|secret|token|user|username)$/i;

export const urlRules: readonly TokenRule[] = [
  // RFC 3986, 3.2.1: `user:password@host`. The user may be empty (`redis://:password@host`). A password may hold
  // characters that should have been encoded, `@` among them; the host follows the last one before the path.
  {
    name: 'url-password',
    anchors: ['://'],
    pattern: /(:\/\/[^\s:/?#@"'`<>\\[\]{}()|^]{0,256}:)[^\s/"'`<>\\]{1,256}(?=@[A-Za-z0-9[_./-])/y,
    boundary: 'none',
    accept: (password) => !STAND_IN.test(password),
  },
  // A token in the user's place: `https://token@host`, `https://x-access-token:…@github.com` is the case above.
  {
    name: 'url-password',
    anchors: ['://'],
    pattern: /(:\/\/)[A-Za-z0-9_.~%-]{16,256}(?=@[A-Za-z0-9[])/y,
    boundary: 'none',
    accept: (token) => looksRandom(token, 14),
  },
  // RFC 6749, 4.1.2: whoever has the code first gets the token.
  {
    name: 'oauth-code',
    anchors: ['?code=', '&code='],
    pattern: /([?&]code=)[A-Za-z0-9._~%/-]{24,1024}/y,
    boundary: 'none',
    accept: (code) => looksRandom(code, 16),
  },
];
