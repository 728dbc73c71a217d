import type { Agent } from '../agent.ts';

/** Says back what it was told: no model, no money. What a first run answers with. */
export const echoAgent: Agent = {
  name: 'echo',
  isFree: true,
  async run({ event }) {
    const text = event.text.trim();
    return text === '' ? { kind: 'silent' } : { kind: 'reply', text: `echo: ${text}` };
  },
};
