import type { ContextRule } from '../rules/rule.ts';

const LEAD = /s?(?: is| are)?\s{0,2}:?\s{1,6}/iy;
const CODE = /[A-Za-z0-9]{4,12}(?:-[A-Za-z0-9]{4,12}){0,7}(?![\w-])/y;
const BETWEEN = /[ \t,]{0,4}(?:\r?\n)?[ \t]{0,4}/y;

/** Services hand out eight to sixteen. */
const MOST = 16;

/** A year is none. */
const isCode = (word: string): boolean => /\d/.test(word) && (/[A-Za-z]/.test(word) || word.length >= 6);

/** One-time codes for the day the telephone is lost; words without a digit are not taken for one. */
export const recoveryCodes: ContextRule = {
  names: ['recovery-code'],
  anchors: ['backup code', 'recovery code', 'scratch code', 'rescue code'],
  open(text, report) {
    return (_, anchorEnd) => {
      LEAD.lastIndex = anchorEnd;
      if (!LEAD.test(text)) return;
      CODE.lastIndex = LEAD.lastIndex;
      for (let count = 0; count < MOST; count += 1) {
        const start = CODE.lastIndex;
        const code = CODE.exec(text)?.[0];
        if (code === undefined || !isCode(code)) return;
        report({ rule: 'recovery-code', start, end: start + code.length, rank: 1 });
        BETWEEN.lastIndex = start + code.length;
        BETWEEN.test(text);
        CODE.lastIndex = BETWEEN.lastIndex;
      }
    };
  },
};
