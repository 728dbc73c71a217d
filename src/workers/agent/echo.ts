import { noUsage } from '../../core/event.ts';
import type { Agent } from './agent.ts';

/** Says back what it was told: no model, no money. What a first run answers with. */
export const echoAgent: Agent = {
  name: 'echo',
  async run({ event }) {
    const text = event.text.trim();
    return text === '' ? { kind: 'silent', usage: noUsage } : { kind: 'reply', text: `echo: ${text}`, usage: noUsage };
  },
};
