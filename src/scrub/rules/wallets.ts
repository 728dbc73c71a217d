import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

export const walletRules: readonly TokenRule[] = [
  // BIP 32: extended private keys in base58, 111 characters; the letters before `prv` name the kind.
  { name: 'wallet-key', anchors: ['xprv', 'yprv', 'zprv', 'tprv'], pattern: /[xyzt]prv[A-HJ-NP-Za-km-z1-9]{100,112}/y },
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
