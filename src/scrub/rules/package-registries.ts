import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Formats: the registries' documentation on access tokens. */
export const packageRegistryRules: readonly TokenRule[] = [
  // npm: `npm_` and 36 base62 characters.
  {
    name: 'npm-token',
    anchors: ['npm_'],
    pattern: /npm_[A-Za-z0-9]{30,48}/y,
    accept: (token) => looksRandom(token, 20),
  },
  // PyPI and TestPyPI: macaroons in base64, the first field naming the site.
  { name: 'pypi-token', anchors: ['pypi-age'], pattern: /pypi-AgE[A-Za-z0-9_-]{40,1024}/y },
  { name: 'rubygems-key', anchors: ['rubygems_'], pattern: /rubygems_[a-f0-9]{48,64}/y },
  // NuGet: `oy2` and 43 lower-case base32 characters.
  {
    name: 'nuget-key',
    anchors: ['oy2'],
    pattern: /oy2[a-z0-9]{43}(?![A-Za-z0-9])/y,
    accept: (key) => looksRandom(key, 30),
  },
  // crates.io: `cio` and 32 base62 characters.
  {
    name: 'crates-token',
    anchors: ['cio'],
    pattern: /cio[A-Za-z0-9]{32}(?![A-Za-z0-9])/y,
    boundary: 'strict',
    accept: (token) => looksRandom(token, 24),
  },
  { name: 'clojars-token', anchors: ['clojars_'], pattern: /CLOJARS_[a-z0-9]{60,80}/iy },
  { name: 'packagist-token', anchors: ['packagist_'], pattern: /packagist_[a-z]{3}_[a-f0-9]{40,80}/y },
  { name: 'docker-token', anchors: ['dckr_pat_', 'dckr_oat_'], pattern: /dckr_[op]at_[A-Za-z0-9_-]{24,64}/y },
  // JFrog: API keys, and reference tokens, which are base64 of `reftkn:`.
  {
    name: 'jfrog-token',
    anchors: ['akcp'],
    pattern: /AKCp[A-Za-z0-9]{50,80}/y,
    accept: (token) => looksRandom(token, 30),
  },
  {
    name: 'jfrog-token',
    anchors: ['cmvmd'],
    pattern: /cmVmd[A-Za-z0-9]{55,75}(?![A-Za-z0-9])/y,
    accept: (token) => looksRandom(token, 30),
  },
  // npm's and Yarn's configuration: `_authToken=`, `_auth=`, `_password=`, `npmAuthToken:`.
  {
    name: 'npmrc-credential',
    anchors: [':_authtoken', ':_auth=', ':_password', ':_auth '],
    pattern: /(:_(?:authToken|auth|password)\s{0,4}=\s{0,4}["']?)[A-Za-z0-9+/=_.-]{8,512}/y,
    boundary: 'none',
  },
];
