import { fromBase64 } from '../../core/crypto/encoding.ts';
import { trimEndOf } from '../../core/text/cap.ts';
import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Names that only a JOSE header has (RFC 7515, 4.1; RFC 7516, 4.1). */
const JOSE = /"(?:alg|enc|typ|kid|zip|x5t|x5c|jku|jwk|cty|crit|epk|apu)"/;

export const jwtRules: readonly TokenRule[] = [
  // RFC 7515 and 7516: base64url parts joined by dots, the first a JSON object, hence `eyJ`. Three parts are signed,
  // five encrypted. A token that was cut off has fewer.
  {
    name: 'jwt',
    anchors: ['eyj'],
    needs: { char: '.', within: 4102 },
    pattern: /eyJ[A-Za-z0-9_-]{8,4096}(?:={0,2}\.[A-Za-z0-9_+/-]{0,16384}={0,2}){1,4}/y,
    accept: (token) => isJoseHeader(token.slice(0, token.indexOf('.'))) || hasTwoObjects(token),
  },
  // Tokens whose parts begin like an object but are not base64url throughout: as printed, quoted or cut by tools.
  {
    name: 'jwt',
    anchors: ['ey'],
    needs: { char: '.', within: 4099 },
    pattern: /ey[A-Za-z0-9_-]{15,4096}\.ey[A-Za-z0-9/\\_-]{15,16384}\.(?:[A-Za-z0-9/\\_+-]{10,4096}={0,2})?/y,
  },
  // The words of the scheme stand in front of a token of any form (RFC 6750, 2.1).
  {
    name: 'bearer-token',
    anchors: ['bearer ', 'bearer%20', 'bearer:', 'bearer='],
    pattern: /(Bearer(?: |%20|[:=] {0,2}))[A-Za-z0-9._~+/%=|:-]{12,4096}(?<![.:])/iy,
    isShared: true,
    accept: (token) => looksRandom(token, 8),
  },
  // How a browser hands Kubernetes a token when it opens a WebSocket.
  {
    name: 'bearer-token',
    anchors: ['bearer.authorization.k8s.io.'],
    pattern: /(bearer\.authorization\.k8s\.io\.)[A-Za-z0-9_-]{16,4096}/iy,
    boundary: 'none',
    isShared: true,
  },
];

function isJoseHeader(part: string): boolean {
  const bytes = fromBase64(trimEndOf(part, '=').slice(0, 4 * Math.floor(part.length / 4)));
  return bytes !== null && JOSE.test(new TextDecoder().decode(bytes));
}

const hasTwoObjects = (token: string): boolean => /^eyJ[^.]{14,}\.eyJ[^.]{14,}\./.test(token);
