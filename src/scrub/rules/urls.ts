import type { TokenRule } from './rule.ts';

export const urlRules: readonly TokenRule[] = [
  // RFC 3986, 3.2.1: `user:password@host`. The user part may be empty (redis://:password@host).
  {
    name: 'url-password',
    anchors: ['://'],
    pattern: /(:\/\/[^\s:/?#@"'`<>\\[\]{}()|^]{0,256}:)[^\s@/?#"'`<>\\]{1,512}(?=@[^\s@])/y,
    boundary: 'none',
    accept: (password) => !/^[$%<{]|^x{3,}$|^\*{3,}$/i.test(password),
  },
];
