import type { TokenRule } from './rule.ts';

export const codeHostRules: readonly TokenRule[] = [
  // GitHub, "Token formats": a three-letter kind, `_`, then 36 base62 characters of which six are a checksum; the
  // documentation asks to allow growth up to 255.
  {
    name: 'github-token',
    anchors: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    pattern: /gh[pousr]_[A-Za-z0-9]{30,255}/y,
  },
  // Fine-grained tokens: 22 and 59 base62 characters joined by `_`.
  { name: 'github-token', anchors: ['github_pat_'], pattern: /github_pat_[A-Za-z0-9_]{40,255}/y },
];
