import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Guardrail, GuardrailSubject } from '../../../../src/workers/guardrails/guardrail.ts';
import { defineTool, type Tool } from '../../../../src/workers/tools/tool.ts';
import { sampleSecrets } from '../../../fixtures/secrets.ts';
import { type AssistantOptions, type AssistantWorld, keptTurns, openAssistant } from '../../../support/assistant.ts';
import { seeded } from '../../../support/campaign.ts';

let world: AssistantWorld;
afterEach(() => world.stop());
const open = async (options: AssistantOptions = {}): Promise<void> => {
  world = await openAssistant(options);
};

const tool = (result: string): Tool =>
  defineTool({
    name: 'look',
    description: 'Looks.',
    input: z.strictObject({}),
    effect: 'none',
    run: () => result,
  }) as Tool;
const callThenSay = [{ calls: [{ name: 'look', arguments: {} }] }, { text: 'done' }];

/** Blocks what holds the word, and keeps what it was shown. */
function blocking(word: string, stages: Guardrail['stages']) {
  const seen: GuardrailSubject[] = [];
  const guardrail: Guardrail = {
    name: 'test',
    stages,
    check(subject) {
      seen.push(subject);
      return subject.text.includes(word) ? { kind: 'block', reason: 'word' } : { kind: 'pass' };
    },
  };
  return { guardrail, seen };
}

describe('guardrails', () => {
  test('see what the model is about to read and its instructions, and keep it from the model', async () => {
    const { guardrail, seen } = blocking('forbidden', ['input']);
    await open({ guardrails: [guardrail] });
    expect(await world.write('this is forbidden')).toMatchObject({
      state: 'parked',
      failure: { code: 'ERR_GUARDRAIL_BLOCKED' },
    });
    expect(seen).toMatchObject([{ text: 'this is forbidden', instructions: 'You help.', agent: 'assistant' }]);
    expect(world.llm.requests).toEqual([]);
  });

  test('withhold the result of a tool, and the run goes on', async () => {
    const { guardrail } = blocking('forbidden', ['input']);
    await open({ guardrails: [guardrail], tools: [tool('this is forbidden')] });
    world.llm.script(...callThenSay);
    await world.write('look');
    expect(world.told).toEqual(['done']);
    const result = String(world.llm.requests[1]?.messages.at(-1)?.content);
    expect(result).toContain('[withheld: a guardrail blocked this result]');
    expect(result).not.toContain('forbidden');
  });

  test('judge the reply before anybody sees it', async () => {
    const { guardrail } = blocking('forbidden', ['output']);
    await open({ guardrails: [guardrail] });
    world.llm.script({ text: 'this is forbidden' });
    expect(await world.write('hi')).toMatchObject({ state: 'parked', failure: { code: 'ERR_GUARDRAIL_BLOCKED' } });
    expect(world.told).toEqual([]);
  });

  test('change what is read and what is said', async () => {
    const loud: Guardrail = {
      name: 'loud',
      stages: ['input', 'output'],
      check: ({ text }) => ({ kind: 'change', text: text.toUpperCase() }),
    };
    await open({ guardrails: [loud] });
    world.llm.script({ text: 'answer' });
    await world.write('question');
    expect(String(world.llm.requests[0]?.messages[1]?.content)).toContain('\nQUESTION\n');
    expect(world.told).toEqual(['ANSWER']);
  });
});

test('guardrails, which may be somebody else’s service, see no secret in a reply of any agent', async () => {
  const [secret] = sampleSecrets(seeded(1));
  const { guardrail, seen } = blocking('forbidden', ['output']);
  const run = async () => ({ kind: 'reply', text: secret?.text ?? '' }) as const;
  await open({ gate: { agentOver: () => ({ name: 'own', guardrails: [guardrail], run }) } });
  await world.write('hi');
  expect(seen).toHaveLength(1);
  expect(JSON.stringify(seen)).not.toContain(secret?.core);
});

describe('a reply', () => {
  test('that its agent wants looked at waits for a person', async () => {
    await open({ definition: { review: ({ text }) => text.includes('refund') } });
    world.llm.script({ text: 'You get a refund.' }, { text: 'No.' });
    expect(await world.write('refund?')).toMatchObject({ state: 'review', runs: [{ outcome: 'review' }] });
    expect(world.told).toEqual([]);
    expect(await world.write('really?', { channel: 'D0000002' })).toMatchObject({ state: 'done' });
    expect(world.told).toEqual(['No.']);
  });
});

test('no secret of a message, a tool or a model reaches the model, the store or the user', async () => {
  const secrets = sampleSecrets(seeded(20_262));
  expect(secrets.length).toBeGreaterThan(10);
  let planted = '';
  const leaky = defineTool({
    name: 'look',
    description: 'Looks.',
    input: z.strictObject({}),
    effect: 'none',
    maxCalls: 1_000,
    run: () => ({ found: planted }),
  });
  await open({ tools: [leaky as Tool] });
  for (const [n, { text }] of secrets.entries()) {
    planted = text;
    world.llm.script(
      { text: `I see ${text}`, calls: [{ name: 'look', arguments: { note: text } }] },
      ...callThenSay.slice(0, 1),
      {
        text: `It is ${text}`,
      },
    );
    await world.write(text, { channel: `D${String(n).padStart(8, '0')}`, user: `U${n}` });
  }
  expect(world.told).toHaveLength(secrets.length);
  const { events } = await world.gate.store.events.list('default', { limit: 200 });
  const kept = JSON.stringify([events, await keptTurns(world.gate.store)]);
  const sent = JSON.stringify(world.llm.requests);
  for (const { core, kind } of secrets) {
    for (const place of [sent, kept, world.told.join('\n')]) expect(place.includes(core), kind).toBe(false);
  }
});
