import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Formats: GitHub "Token formats", GitLab "Token overview", Atlassian and Sourcegraph documentation. */
export const codeHostRules: readonly TokenRule[] = [
  // GitHub: a three-letter kind, `_`, then 36 base62 characters of which six are a checksum; GitHub asks to allow
  // growth up to 255. Shorter ones are tokens that were cut off.
  {
    name: 'github-token',
    anchors: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    pattern: /gh[pousr]_[A-Za-z0-9]{20,255}/y,
  },
  // Fine-grained tokens: 22 and 59 base62 characters joined by `_`.
  { name: 'github-token', anchors: ['github_pat_'], pattern: /github_pat_[A-Za-z0-9_]{30,255}/y },
  // GitHub's installation tokens of old: `v1.` and 40 hexadecimal digits.
  { name: 'github-token', anchors: ['v1.'], pattern: /v1\.[0-9a-f]{40}(?![A-Za-z0-9])/y, boundary: 'strict' },
  // GitLab: a kind starting in `gl`, `-`, then 20 or more characters; routable tokens go on with a dot, a length and a
  // checksum. CI job tokens have the partition before `_`.
  {
    name: 'gitlab-token',
    anchors: [
      'glpat-',
      'gldt-',
      'glrt-',
      'glrtr-',
      'glcbt-',
      'glptt-',
      'glft-',
      'glimt-',
      'glagent-',
      'glsoat-',
      'glffct-',
      'gloas-',
      'glwt-',
    ],
    pattern: /gl(?:pat|dt|rtr?|cbt|ptt|ft|imt|agent|soat|ffct|oas|wt)-[A-Za-z0-9_-]{16,300}(?:\.[0-9a-z]{2,20}){0,3}/y,
  },
  { name: 'gitlab-token', anchors: ['gr1348941'], pattern: /GR1348941[A-Za-z0-9_-]{16,64}/y },
  {
    name: 'gitlab-session',
    anchors: ['_gitlab_session='],
    pattern: /_gitlab_session=[0-9a-z]{24,64}/y,
    boundary: 'none',
  },
  // Bitbucket app passwords; Atlassian API, admin, access and service tokens: four letters ending in `T`, `3`, base64
  // and a checksum of eight hexadecimal digits behind `=`.
  {
    name: 'atlassian-token',
    anchors: ['atbb'],
    pattern: /ATBB[A-Za-z0-9_=.-]{20,64}/y,
    accept: (token) => looksRandom(token, 12),
  },
  {
    name: 'atlassian-token',
    anchors: ['atatt3', 'atctt3', 'atstt3', 'atoa3'],
    pattern: /AT(?:ATT|CTT|STT|OA)3[A-Za-z0-9_-]{20,400}(?:=[0-9A-Fa-f]{8})?/y,
  },
  // Sourcegraph: with or without the instance's id.
  {
    name: 'sourcegraph-token',
    anchors: ['sgp_', 'slk_'],
    pattern: /(?:sgp_(?:[a-f0-9]{16}_|local_)?[a-f0-9]{40}|slk_[a-f0-9]{64})(?![A-Za-z0-9])/iy,
    accept: (token) => looksRandom(token, 20) && !/(.)\1{6}/.test(token),
  },
  // Azure DevOps: see `azure.ts`. Gitea, Forgejo and Gogs tokens are 40 hexadecimal digits: only a name gives them away.
];
