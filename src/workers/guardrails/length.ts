import type { Guardrail } from './guardrail.ts';

/** Cuts replies to so many UTF-16 code units, note included. */
export const createLengthCheck = (maxChars: number): Guardrail => ({
  name: 'length',
  stages: ['output'],
  check({ text }) {
    if (text.length <= maxChars) return { kind: 'pass' };
    const kept = text.slice(0, maxChars - NOTE.length);
    // Never between the halves of a character.
    return { kind: 'change', text: `${kept.replace(/[\ud800-\udbff]$/, '')}${NOTE}` };
  },
});

const NOTE = '\n\n[cut: the reply was too long]';
