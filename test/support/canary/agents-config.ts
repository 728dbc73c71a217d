import { join } from 'node:path';

const SALLYPORT = join(import.meta.dirname, '..', '..', '..', 'dist', 'index.js');
const ZOD = import.meta.resolve('zod');

/**
 * A configuration whose agents and tools say secrets wherever they can: in results, refusals and errors, in what a guardrail
 * adds. `CANARY_SECRETS` is a file with the texts, `CANARY_SEEN` one for what tools and guardrails were given.
 */
export const agentsConfig = (policyUrl: string): string => `
import { appendFileSync, readFileSync } from 'node:fs';
import { ToolRefusal } from ${JSON.stringify(SALLYPORT)};
import { z } from ${JSON.stringify(ZOD)};

const secrets = JSON.parse(readFileSync(process.env.CANARY_SECRETS, 'utf8'));
const secretOf = (text) => secrets[Number(/case-(\\d+)/.exec(text)?.[1] ?? 0)];
const named = (name) => ({ text }) => text.includes(name);
const tool = (name, effect, run) => ({
  name,
  description: 'Canary.',
  effect,
  input: z.looseObject({ about: z.string() }),
  run(input) {
    appendFileSync(process.env.CANARY_SEEN, JSON.stringify(input));
    return run(secretOf(input.about));
  },
});
const tools = [
  tool('look', 'none', (secret) => ({ found: [secret, { [secret]: secret }], note: JSON.stringify({ secret }) })),
  tool('send', 'once', (secret) => secret),
  tool('refuse', 'none', (secret) => { throw new ToolRefusal('not with ' + secret); }),
  tool('fail', 'none', (secret) => { throw new Error('failed at ' + secret); }),
];
const adding = {
  name: 'adds',
  stages: ['output'],
  check({ text }) {
    appendFileSync(process.env.CANARY_SEEN, text);
    return { kind: 'change', text: text + ' ' + secretOf(text) };
  },
};

export default {
  agents: [
    { name: 'helper', match: named('helper'), instructions: 'You help.', tools: [...tools, 'reply'] },
    {
      name: 'thrower',
      match: named('thrower'),
      instructions: undefined,
      async run({ event, attempt }) {
        const error = new Error('agent failed: ' + secretOf(event.text), { cause: new Error(secretOf(event.text)) });
        if (attempt === 1) throw error;
        return { kind: 'reply', text: event.text.replace('thrower', 'said') + ' ' + secretOf(event.text) };
      },
    },
    {
      name: 'changed',
      match: named('changed'),
      guardrails: [adding],
      run: async ({ event }) => ({ kind: 'reply', text: event.text + ' ' + secretOf(event.text) }),
    },
  ],
  guardrails: {
    services: [{ name: 'policy', url: ${JSON.stringify(policyUrl)}, stages: ['input', 'output', 'tool-call'], cache: '0ms' }],
  },
  tenants: {
    careful: {
      slack: {
        signingSecrets: [process.env.SLACK_SIGNING_SECRET],
        botToken: process.env.SLACK_BOT_TOKEN,
        apiUrl: process.env.SLACK_API_URL,
      },
      review: { replies: 'always' },
    },
  },
};
`;
