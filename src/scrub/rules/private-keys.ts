import type { TokenRule } from './rule.ts';

export const privateKeyRules: readonly TokenRule[] = [
  // RFC 7468 and OpenSSH: a block between BEGIN and END lines. A block cut off before its END is hidden as far as it
  // reaches. Inside JSON and environment files the line ends are written `\n`.
  {
    name: 'private-key',
    anchors: ['-----begin '],
    pattern:
      /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s\\:,._@()-]{16,20000}?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|(?![A-Za-z0-9+/=\s\\:,._@()-]))/y,
    boundary: 'none',
    accept: () => true,
  },
];
