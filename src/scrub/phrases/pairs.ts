import { trimEndOf } from '../../core/text/cap.ts';
import { isSecretValue } from '../assignment/verdict.ts';
import type { ContextRule } from '../rules/rule.ts';

/** "login: bob / hunter2", "creds are admin:hunter2", "user/pass: bob/hunter2". */
const USER_AND_PASSWORD =
  /[ \t]{0,4}(?:details|info|data|for [\w.-]{1,40})?[ \t]{0,4}(?:are|is|with|as|[:=-])?[ \t]{1,4}["'`*]{0,2}[\w.@+-]{2,64}["'`*]{0,2}[ \t]{0,3}(?:[/|:]|and|pass(?:word)?:?)[ \t]{0,3}["'`*]{0,2}([^\s"'`]{4,64})/iy;

/** "username bob password hunter2". */
const USER_THEN_PASSWORD =
  /[ \t]{0,3}[:=]?[ \t]{0,3}["'`]?[\w.@+-]{2,64}["'`]?[ \t]{0,3}(?:,|and|\/)?[ \t]{0,3}pass(?:word|wd)?[ \t]{0,3}[:=]?[ \t]{0,3}["'`]?([^\s"'`]{4,64})/iy;

/** A user's name and password side by side. */
export const pairs: ContextRule = {
  names: ['password'],
  anchors: [
    'login',
    'log in',
    'log on',
    'logon',
    'sign in',
    'creds',
    'credentials',
    'user/pass',
    'username/password',
    'account',
    'username ',
    'user ',
  ],
  open(text, report) {
    let readTo = 0;
    return (anchorStart, anchorEnd) => {
      if (anchorStart < readTo || /[A-Za-z0-9_-]/.test(text[anchorStart - 1] ?? ' ')) return;
      const pattern = /^user(?:name)? $/i.test(text.slice(anchorStart, anchorEnd))
        ? USER_THEN_PASSWORD
        : USER_AND_PASSWORD;
      pattern.lastIndex = anchorEnd;
      const match = pattern.exec(text);
      if (match === null) return;
      const end = anchorEnd + match[0].length;
      const password = trimEndOf(match[1] as string, '.,;:)]}');
      const start = end - (match[1] as string).length;
      readTo = end;
      if (!isSecretValue(password, 'password', { isQuoted: false, isLoose: false })) return;
      report({ rule: 'password', start, end: start + password.length, rank: 1 });
    };
  },
};
