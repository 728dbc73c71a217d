import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Short words of English that are not in BIP 39's list: a sentence has some of them. */
const SENTENCE = /\b(?:the|and|for|are|was|not|but|you|your|has|had|its|his|her|our|from|they|which|were|been)\b/;

export const walletRules: readonly TokenRule[] = [
  // BIP 39: twelve to twenty-four words of three to eight letters.
  {
    name: 'seed-phrase',
    anchors: [
      'seed phrase',
      'recovery phrase',
      'mnemonic',
      'seed words',
      'backup phrase',
      'secret phrase',
      'seed:',
      'seed =',
    ],
    pattern:
      /((?:(?:seed|recovery|backup|secret) (?:phrase|words)|mnemonic|seed(?= {0,2}[:=]))[^\n]{0,24}?(?:[:="'\n]| is | are )\s{0,4}["'`]?)(?:(?:\d{1,2}[.)]? ?)?[a-z]{3,8}[ ,\n]{1,3}){11,23}[a-z]{3,8}/iy,
    accept: (phrase) => !SENTENCE.test(phrase),
  },
  // BIP 32: extended private keys in base58, 111 characters; the letters before `prv` name the kind.
  { name: 'wallet-key', anchors: ['xprv', 'yprv', 'zprv', 'tprv'], pattern: /[xyzt]prv[A-HJ-NP-Za-km-z1-9]{100,112}/y },
  // RFC 7517 and 7518: the private parts of a JSON Web Key stand under one-letter names beside `kty`.
  {
    name: 'private-key',
    anchors: ['"d"', '"dp"', '"dq"', '"qi"', '"p"', '"q"', '"k"'],
    pattern: /("(?:d|dp|dq|qi|p|q|k)"\s{0,4}:\s{0,4}")[A-Za-z0-9_-]{40,1400}(?=")/y,
    boundary: 'none',
    accept: (part) => looksRandom(part, 30),
  },
  // Stellar and Ripple secrets; both have a checksum, which is not computed here.
  { name: 'wallet-key', anchors: ['ed25519:'], pattern: /ed25519:[A-HJ-NP-Za-km-z1-9]{80,90}/y },
  // Password hashes of crypt(3): they can be guessed offline.
  {
    name: 'password-hash',
    anchors: ['$2a$', '$2b$', '$2y$'],
    pattern: /\$2[aby]\$\d{2}\$[A-Za-z0-9./]{53}/y,
    boundary: 'none',
    accept: (hash) => looksRandom(hash, 20),
  },
  {
    name: 'password-hash',
    anchors: ['$1$', '$5$', '$6$', '$y$', '$apr1$', '$argon2'],
    pattern: /\$(?:[156y]|apr1|argon2(?:id|i|d))\$[A-Za-z0-9./$=,+_-]{20,256}/y,
    boundary: 'none',
    accept: (hash) => looksRandom(hash, 16),
  },
];
