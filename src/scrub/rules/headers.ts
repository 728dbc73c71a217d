import { fromBase64 } from '../../core/crypto/encoding.ts';
import { looksRandom } from '../randomness.ts';
import type { ContextRule, TokenRule } from './rule.ts';

export const headerRules: readonly TokenRule[] = [
  // RFC 7617: base64 of `user:password`.
  {
    name: 'basic-auth',
    anchors: ['basic ', 'basic%20'],
    pattern: /(Basic(?: {1,4}|%20))[A-Za-z0-9+/_-]{6,512}={0,2}/iy,
    accept: (credential) => isUserAndPassword(credential),
  },
  // Docker's configuration holds the same without the word: `"auth": "…"`.
  {
    name: 'basic-auth',
    anchors: ['"auth"', '_auth=', '_auth ='],
    pattern: /("auth"\s{0,8}:\s{0,8}"|_auth\s{0,4}=\s{0,4}"?)[A-Za-z0-9+/]{6,512}={0,2}/y,
    boundary: 'none',
    accept: (credential) => isUserAndPassword(credential),
  },
  // RFC 7616, 3.4: what a digest answers can be guessed at offline.
  {
    name: 'digest-auth',
    anchors: ['response="'],
    pattern: /(response=")[0-9a-f]{32,128}(?=")/y,
    accept: (response) => looksRandom(response, 20),
  },
];

/** True for base64 of `user:password`, the user a plain name or address. */
function isUserAndPassword(credential: string): boolean {
  const bytes = fromBase64(credential);
  return bytes !== null && /^[\w.@+|-]{0,64}:[\x21-\x7e]{1,256}$/.test(new TextDecoder().decode(bytes));
}

const COOKIE_HEADER = /(?:set-)?cookie2?["']?\s{0,4}[:=]\s{0,4}["']?/iy;
const PAIR = /([^\s=;,"'<>]{1,128})=([^\s;,"'<>\\]{1,4096})(;[ \t]{0,4})?/y;

/** Attributes of Set-Cookie (RFC 6265, 4.1.1) and settings that sites keep in cookies under their own names. */
const PLAIN =
  /^(?:path|domain|expires|max-age|samesite|version|comment|priority|lang|locale|theme|currency|tz|timezone|consent.*|_ga.*|_gid|_fbp)$/i;

/** RFC 6265: cookies that look generated, whatever the application calls them. */
export const cookies: ContextRule = {
  names: ['cookie'],
  anchors: ['cookie: ', 'cookie:', 'cookie":', "cookie':", 'cookie2:', 'cookie='],
  open(text, report) {
    let readTo = 0;
    return (anchorStart) => {
      COOKIE_HEADER.lastIndex = anchorStart;
      if (anchorStart < readTo || !COOKIE_HEADER.test(text)) return;
      readTo = COOKIE_HEADER.lastIndex;
      for (;;) {
        PAIR.lastIndex = readTo;
        const pair = PAIR.exec(text);
        if (pair === null) return;
        const [whole, name = '', value = ''] = pair;
        const start = readTo + name.length + 1;
        if (!PLAIN.test(name) && value.length >= 12 && looksRandom(value, 10)) {
          report({ rule: 'cookie', start, end: start + value.length, rank: 1 });
        }
        readTo += whole.length;
        if (pair[3] === undefined) return;
      }
    };
  },
};
