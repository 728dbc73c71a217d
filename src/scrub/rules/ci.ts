import { isVaried, looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Continuous integration, deployment and observability of builds. Formats: each product's documentation on tokens. */
export const ciRules: readonly TokenRule[] = [
  {
    name: 'circleci-token',
    anchors: ['ccipat_', 'cciprj_'],
    pattern: /CCI(?:PAT|PRJ)_[A-Za-z0-9]{20,24}_[a-f0-9]{40}/y,
  },
  // Buildkite: a kind of two letters behind `bk`.
  {
    name: 'buildkite-token',
    anchors: ['bkua_', 'bkaa_', 'bkaj_', 'bkat_', 'bkct_', 'bkpat_', 'bkpi_', 'bkps_'],
    pattern: /bk(?:[ua]a|a[jt]|ct|pat|p[is])_[A-Za-z0-9]{40,64}/y,
  },
  // Octopus Deploy: `API-` and capitals and digits.
  {
    name: 'octopus-key',
    anchors: ['api-'],
    pattern: /API-[A-Z0-9]{25,40}(?![A-Za-z0-9])/y,
    boundary: 'strict',
    accept: (key) => isVaried(key.slice(4)),
  },
  // Harness: kind, account, id and secret, separated by dots.
  {
    name: 'harness-token',
    anchors: ['pat.', 'sat.'],
    pattern: /[ps]at\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}/y,
    boundary: 'strict',
  },
  {
    name: 'sonar-token',
    anchors: ['sqp_', 'squ_', 'sqa_'],
    pattern: /sq[pua]_[A-Za-z0-9]{40,64}/y,
    boundary: 'strict',
  },
  // Jenkins API tokens: version `11` and 32 hexadecimal digits; bare they are too like a hash, so the user stands before.
  {
    name: 'jenkins-token',
    anchors: [':11'],
    pattern: /(:)11[a-f0-9]{32}(?![A-Za-z0-9])/y,
    boundary: 'none',
    accept: (token) => looksRandom(token, 16),
  },
  { name: 'prefect-token', anchors: ['pnu_', 'pnb_'], pattern: /pn[ub]_[A-Za-z0-9]{36,48}/y, boundary: 'strict' },
  // Sidekiq's and Contribsys' gem server: two groups of eight hexadecimal digits as user and password.
  {
    name: 'contribsys-credential',
    anchors: ['contribsys__com', 'contribsys.com'],
    pattern: /(contribsys__com\w{0,20}["']?\s{0,4}(?:=>|[:=?.]{1,4}|string\s=)\s{0,4}["'`]?)[a-f0-9]{8}:[a-f0-9]{8}/iy,
    boundary: 'none',
    accept: () => true,
  },
  { name: 'chromatic-token', anchors: ['chpt_'], pattern: /chpt_[a-f0-9]{12,24}/y },
];
