import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { choose } from '../../../../src/workers/agents/definition.ts';
import { defineTool, type Tool } from '../../../../src/workers/tools/tool.ts';
import { type AssistantOptions, type AssistantWorld, openAssistant } from '../../../support/assistant.ts';
import { createEventMaker } from '../../../support/events.ts';

describe('of several agents', () => {
  const event = createEventMaker(() => 0)({ tenant: 'acme', text: 'an order' });
  const all = { allowed: () => null };
  const named = (name: string, match?: () => boolean) => ({ name, match });

  test('the first that matches answers, and one without a condition matches everything', () => {
    const candidates = [named('never', () => false), named('first', () => true), named('second')];
    expect(choose(event, { ...all, candidates })?.name).toBe('first');
    expect(choose(event, { ...all, candidates: candidates.slice(2) })?.name).toBe('second');
    expect(choose(event, { ...all, candidates: candidates.slice(0, 1) })).toBeNull();
  });

  test('those a tenant does not allow are not even asked', () => {
    const candidates = [
      named('forbidden', () => {
        throw new Error('asked');
      }),
      named('allowed'),
    ];
    const allowed = (tenant: string) => (tenant === 'acme' ? new Set(['allowed']) : null);
    expect(choose(event, { candidates, allowed })?.name).toBe('allowed');
    expect(choose(event, { candidates, allowed: () => new Set() })).toBeNull();
  });

  test('one that cannot say whether it matches fails the attempt, and no other takes its place', () => {
    const candidates = [
      named('broken', () => {
        throw new Error('broken');
      }),
      named('next'),
    ];
    expect(() => choose(event, { ...all, candidates })).toThrow(expect.objectContaining({ code: 'ERR_AGENT_FAILED' }));
  });
});

describe('the tools of an agent', () => {
  let world: AssistantWorld;
  afterEach(() => world.stop());
  const open = async (options: AssistantOptions): Promise<void> => {
    world = await openAssistant(options);
  };
  const tool = (name: string): Tool =>
    defineTool({ name, description: name, input: z.strictObject({}), effect: 'none', run: () => name }) as Tool;

  test('are those its tenant allows; another that the model names is refused', async () => {
    await open({ tools: [tool('look'), tool('write')], allowedTools: ['look'] });
    world.llm.script({ calls: [{ name: 'write', arguments: {} }] }, { text: 'done' });
    await world.write('go');
    expect(world.llm.requests[0]?.tools?.map(({ function: { name } }) => name)).toEqual(['look']);
    expect(String(world.llm.requests[1]?.messages.at(-1)?.content)).toContain('"refused":"not-allowed"');
  });

  test('are none where its tenant allows none', async () => {
    await open({ tools: [tool('look')], allowedTools: [] });
    await world.write('go');
    expect(world.llm.requests[0]?.tools).toBeUndefined();
  });
});
