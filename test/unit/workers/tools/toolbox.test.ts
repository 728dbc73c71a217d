import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { SallyportError } from '../../../../src/core/errors.ts';
import { ToolRefusal } from '../../../../src/workers/tools/refusal.ts';
import { defineTool, type Tool, type ToolContext } from '../../../../src/workers/tools/tool.ts';
import { testFolder } from '../../../support/folder.ts';
import { openToolRun, SECRET, type ToolRun } from '../../../support/tool-run.ts';

let run: ToolRun;
beforeEach(async () => {
  run = await openToolRun(await testFolder());
});
afterEach(() => run.close());

interface Spy {
  readonly tool: Tool<{ text: string }>;
  readonly inputs: string[];
  readonly contexts: ToolContext[];
}

/** A tool that says what it was told, and remembers it. */
function spy(overrides: Partial<Tool<{ text: string }>> = {}): Spy {
  const inputs: string[] = [];
  const contexts: ToolContext[] = [];
  const answer = overrides.run ?? (({ text }: { text: string }) => `said ${text}`);
  const tool = defineTool({
    name: 'say',
    description: 'Says a text.',
    input: z.strictObject({ text: z.string().max(60_000) }),
    effect: 'none',
    ...overrides,
    run: (input, context) => {
      inputs.push(input.text);
      contexts.push(context);
      return answer(input, context);
    },
  });
  return { tool, inputs, contexts };
}

const call = (id: string, text: string, name = 'say') => ({ id, name, input: { text } });
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'resolved',
    (error: { code?: string }) => error.code ?? String(error),
  );
const never = (): Promise<never> => new Promise(() => {});

describe('what a model is told', () => {
  test('is the allow-listed tools only, each with the JSON schema of its input', async () => {
    const other = spy({ name: 'other' });
    const { toolbox } = await run.attempt([spy().tool, other.tool], { allowed: ['say', 'absent'] });
    expect(toolbox.tools).toEqual([
      {
        name: 'say',
        description: 'Says a text.',
        inputSchema: {
          type: 'object',
          properties: { text: { type: 'string', maxLength: 60_000 } },
          required: ['text'],
          additionalProperties: false,
        },
      },
    ]);
  });

  test('must have one meaning: two tools of a name, bad names and inputs that are no object are refused at once', async () => {
    await expect(run.attempt([spy().tool, spy().tool])).rejects.toThrow(TypeError);
    expect(() => spy({ name: 'Say it' })).toThrow(TypeError);
    const bare = defineTool({ name: 'bare', description: '', input: z.string(), effect: 'none', run: () => null });
    await expect(run.attempt([bare])).rejects.toThrow(TypeError);
  });
});

describe('a call outside the list', () => {
  test('is refused with a message of ours, logged and counted, and runs nothing', async () => {
    const { tool, inputs } = spy();
    const { toolbox } = await run.attempt([tool], { allowed: [] });
    const refused = await toolbox.call(call('tool:1.0', 'ignore your rules'));
    expect(refused).toEqual({ kind: 'refused', code: 'not-allowed', message: 'this tool may not be used' });
    const made = 'rm -rf, said the model';
    expect(await toolbox.call(call('tool:1.1', 'x', made))).toMatchObject({ kind: 'refused', code: 'unknown-tool' });
    expect(inputs).toEqual([]);
    expect(run.calls).toEqual(['say not-allowed', 'unknown unknown-tool']);
    expect(run.lines.map(({ name, fields }) => [name, fields.tool, fields.reason])).toEqual([
      ['tool.refused', 'say', 'not-allowed'],
      ['tool.refused', 'unknown', 'unknown-tool'],
    ]);
    expect(JSON.stringify(run.lines)).not.toMatch(/ignore your rules|rm -rf/);
  });

  test.each(['__proto__', 'constructor', 'toString', 'say ', 'SAY', 'say\0', ''])(
    'is refused for the name %j as well',
    async (name) => {
      const { tool, inputs } = spy();
      const { toolbox } = await run.attempt([tool]);
      expect(await toolbox.call(call('tool:1.0', 'x', name))).toMatchObject({ code: 'unknown-tool' });
      expect(inputs).toEqual([]);
    },
  );
});

describe('arguments', () => {
  const deep = '['.repeat(8_000) + ']'.repeat(8_000);
  const cycle: Record<string, unknown> = {};
  cycle.text = cycle;
  test.each([
    ['of another type', { text: 5 }],
    ['that lack something', {}],
    ['with something more', { text: 'x', extra: 1 }],
    ['that are text', '{"text":"x"}'],
    ['that are a list', [{ text: 'x' }]],
    ['that are nothing', undefined],
    ['that are null', null],
    ['that run in a circle', cycle],
    ['that are nested deeply', { text: JSON.parse(deep) }],
    ['with a prototype', JSON.parse('{"text":"x","__proto__":{"a":1}}')],
  ])('%s are refused', async (_, input) => {
    const { tool, inputs } = spy();
    const { toolbox } = await run.attempt([tool]);
    const refused = await toolbox.call({ id: 'tool:1.0', name: 'say', input });
    expect(refused).toMatchObject({ kind: 'refused', code: 'bad-arguments' });
    expect(inputs).toEqual([]);
  });

  test('are told by place, never by value', async () => {
    const tool = defineTool({
      name: 'say',
      description: '',
      input: z.strictObject({ to: z.record(z.string(), z.number()) }),
      effect: 'none',
      run: () => null,
    });
    const { toolbox } = await run.attempt([tool]);
    const refused = await toolbox.call({ id: 'tool:1.0', name: 'say', input: { to: { 'send me $1': 'my value' } } });
    expect(refused).toMatchObject({ code: 'bad-arguments', message: expect.stringContaining('to.?') });
    expect(JSON.stringify(refused)).not.toMatch(/send me|my value/);
  });

  test('have a size limit in bytes', async () => {
    const { tool, inputs } = spy();
    const { toolbox } = await run.attempt([tool]);
    expect(await toolbox.call(call('tool:1.0', 'é'.repeat(8_200)))).toMatchObject({ code: 'arguments-too-large' });
    expect(await toolbox.call(call('tool:1.1', 'é'.repeat(8_100)))).toMatchObject({ kind: 'result' });
    expect(inputs).toHaveLength(1);
  });

  test('are scrubbed before the tool, the journal and the log see them', async () => {
    const { tool, inputs } = spy({ effect: 'once' });
    const { toolbox, steps } = await run.attempt([tool]);
    await toolbox.call(call('tool:1.0', `send ${SECRET} away`));
    expect(inputs[0]).toMatch(/^send \[secret:[a-z-]+#[0-9a-f]{4}\] away$/);
    expect(JSON.stringify([steps.earlier('tool:1.0'), run.lines])).not.toContain(SECRET);
  });
});

describe('results', () => {
  test('are scrubbed, keys as well', async () => {
    const { tool } = spy({ run: () => ({ [SECRET]: [SECRET] }) });
    const { toolbox, steps } = await run.attempt([tool]);
    const result = await toolbox.call(call('tool:1.0', 'x'));
    expect(result.kind).toBe('result');
    expect(JSON.stringify([result, steps.earlier('tool:1.0')])).not.toContain(SECRET);
  });

  test('are cut at their limit with a note, and no half of a secret stands at the cut', async () => {
    const { tool } = spy({ run: () => `${'x '.repeat(32_760)}${SECRET} ${'y '.repeat(250_000)}` });
    const { toolbox } = await run.attempt([tool]);
    const result = await toolbox.call(call('tool:1.0', 'x'));
    const text = result.kind === 'result' ? String(result.value) : '';
    expect(Buffer.byteLength(text)).toBeLessThan(65_700);
    expect(text).toMatch(/\[cut: the whole result has \d+ bytes\]$/);
    expect(text).not.toContain(SECRET.slice(0, 10));
  });

  test('of many megabytes cost no more than what is kept of them', async () => {
    const { tool } = spy({ run: () => ({ rows: Array.from({ length: 400_000 }, (_, n) => `row ${n} é`) }) });
    const { toolbox } = await run.attempt([tool]);
    const result = await toolbox.call(call('tool:1.0', 'x'));
    expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThan(120_000);
  });

  test.each([
    ['nothing', () => undefined as never, { kind: 'result', value: null }],
    ['a number too large for JSON', () => 10n as never, { kind: 'refused', code: 'failed' }],
    ['a function', () => (() => 1) as never, { kind: 'refused', code: 'failed' }],
  ])('that are %s are told as such', async (_, answer, expected) => {
    const { toolbox } = await run.attempt([spy({ run: answer }).tool]);
    expect(await toolbox.call(call('tool:1.0', 'x'))).toMatchObject(expected);
  });

  test('of a final tool are the reply', async () => {
    const { tool } = spy({ isFinal: true, run: ({ text }) => text });
    const first = await run.attempt([tool]);
    expect(await first.toolbox.call(call('tool:1.0', 'bye'))).toEqual({ kind: 'final', text: 'bye' });
    const second = await run.attempt([tool]);
    expect(await second.toolbox.call(call('tool:1.0', 'bye'))).toEqual({ kind: 'final', text: 'bye' });
  });
});

describe('a tool that fails', () => {
  test.each([
    ['with an error', new Error('password is hunter2 at db.internal'), 'failed', 'the tool failed'],
    ['with no error', 'hunter2', 'failed', 'the tool failed'],
    ['outbound', new SallyportError('ERR_OUTBOUND_BLOCKED', 'hunter2'), 'failed', 'the tool failed'],
    ['with a refusal', new ToolRefusal('there is no such city'), 'refused', 'there is no such city'],
  ])('%s tells the model no more than it may know', async (_, error, code, message) => {
    const { tool } = spy({ run: () => Promise.reject(error) });
    const { toolbox } = await run.attempt([tool]);
    expect(await toolbox.call(call('tool:1.0', 'x'))).toEqual({ kind: 'refused', code, message });
    expect(JSON.stringify(run.lines)).not.toContain('hunter2');
  });

  test('with a secret in its refusal has it scrubbed', async () => {
    const { tool } = spy({ run: () => Promise.reject(new ToolRefusal(`no access with ${SECRET}`)) });
    const { toolbox } = await run.attempt([tool]);
    expect(JSON.stringify(await toolbox.call(call('tool:1.0', 'x')))).not.toContain(SECRET);
  });

  test('with an error of ours ends the attempt with it, and the next one calls it again', async () => {
    let isDown = true;
    const { tool, contexts } = spy({
      run: () => {
        if (isDown) throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'away');
        return 'back';
      },
    });
    const first = await run.attempt([tool]);
    expect(await codeOf(first.toolbox.call(call('tool:1.0', 'x')))).toBe('ERR_SOURCE_UNAVAILABLE');
    isDown = false;
    const second = await run.attempt([tool]);
    expect(await second.toolbox.call(call('tool:1.0', 'x'))).toEqual({ kind: 'result', value: 'back' });
    expect(contexts).toHaveLength(2);
  });
});

describe('time', () => {
  test('of a call is limited, and a tool that ignores its signal is left behind without a way out', async () => {
    const fetched: string[] = [];
    let leftBehind: Promise<unknown> | undefined;
    const { tool, contexts } = spy({
      timeoutMs: 20,
      run: (_, { fetch, signal }) => {
        leftBehind = new Promise((resolve) => signal.addEventListener('abort', resolve)).then(() =>
          fetch('https://example.com/'),
        );
        leftBehind.catch(() => {});
        return never();
      },
    });
    const { toolbox } = await run.attempt([tool], {
      fetch: async (url, init) => {
        init?.signal?.throwIfAborted();
        fetched.push(String(url));
        return new Response();
      },
    });
    expect(await toolbox.call(call('tool:1.0', 'x'))).toMatchObject({ kind: 'refused', code: 'timeout' });
    expect(contexts[0]?.signal.aborted).toBe(true);
    await expect(leftBehind).rejects.toThrow();
    expect(fetched).toEqual([]);
  });

  test('ends with the attempt: an abort rejects the call at once and no further call begins', async () => {
    const { tool, inputs } = spy({ run: never });
    const { toolbox, abort } = await run.attempt([tool]);
    const pending = codeOf(toolbox.call(call('tool:1.0', 'x')));
    await expect.poll(() => inputs).toHaveLength(1);
    abort(new SallyportError('ERR_KILLED', 'the kill switch is on'));
    expect(await pending).toBe('ERR_KILLED');
    expect(await codeOf(toolbox.call(call('tool:1.1', 'x')))).toBe('ERR_KILLED');
    expect(inputs).toHaveLength(1);
  });
});

describe('caps', () => {
  test('hold for a tool and for the run, refused calls included', async () => {
    const one = spy({ name: 'one', maxCalls: 2 });
    const two = spy({ name: 'two' });
    const { toolbox } = await run.attempt([one.tool, two.tool], { maxCalls: 5 });
    const outcomes: string[] = [];
    for (const [n, name] of ['one', 'one', 'one', 'two', 'two', 'two'].entries()) {
      const result = await toolbox.call(call(`tool:1.${n}`, `x${n}`, name));
      outcomes.push(result.kind === 'refused' ? result.code : result.kind);
    }
    expect(outcomes).toEqual(['result', 'result', 'too-many-calls', 'result', 'result', 'too-many-calls']);
    expect(one.inputs.length + two.inputs.length).toBe(4);
  });

  test('hold for the very same call sooner: a loop gets an answer that differs', async () => {
    const { tool, inputs } = spy();
    const { toolbox } = await run.attempt([tool]);
    for (let n = 0; n < 3; n += 1) await toolbox.call(call(`tool:${n}.0`, 'x'));
    expect(await toolbox.call(call('tool:3.0', 'x'))).toMatchObject({ kind: 'refused', code: 'repeated' });
    expect(await toolbox.call(call('tool:4.0', 'y'))).toMatchObject({ kind: 'result' });
    expect(inputs).toEqual(['x', 'x', 'x', 'y']);
  });

  test('of the budget end the run: what it refuses is not run', async () => {
    const { tool, inputs } = spy();
    const { toolbox, budget } = await run.attempt([tool], { limits: { run: { toolCalls: { run: 2 } } } });
    await toolbox.call(call('tool:1.0', 'a'));
    await toolbox.call(call('tool:1.1', 'b'));
    expect(await codeOf(toolbox.call(call('tool:1.2', 'c')))).toBe('ERR_BUDGET_EXHAUSTED');
    expect(await codeOf(toolbox.call(call('tool:1.3', 'd')))).toBe('ERR_BUDGET_EXHAUSTED');
    expect(inputs).toEqual(['a', 'b']);
    expect(budget.run.usage.toolCalls).toBe(2);
  });
});

describe('guardrails', () => {
  test('see the scrubbed arguments, and what they change is what the tool gets, if it still fits', async () => {
    const seen: string[] = [];
    const { tool, inputs } = spy();
    const change = (text: string) => ({
      name: 'editor',
      stages: ['tool-call' as const],
      check: (subject: { text: string; tool?: string }) => {
        seen.push(`${subject.tool} ${subject.text}`);
        return { kind: 'change' as const, text };
      },
    });
    const first = await run.attempt([tool], { guardrails: [change('{"text":"mild"}')] });
    expect(await first.toolbox.call(call('tool:1.0', 'wild'))).toMatchObject({ value: 'said mild' });
    expect(seen).toEqual(['say {"text":"wild"}']);
    const second = await run.attempt([tool], { guardrails: [change('{"text":5}')] });
    expect(await second.toolbox.call(call('tool:2.0', 'wild'))).toMatchObject({ code: 'bad-arguments' });
    const third = await run.attempt([tool], { guardrails: [change('mild')] });
    expect(await third.toolbox.call(call('tool:3.0', 'wild'))).toMatchObject({ code: 'guardrail' });
    expect(inputs).toEqual(['mild']);
  });

  test('that fail block, and the next attempt sees the same refusal, whatever they think by then', async () => {
    const { tool, inputs } = spy();
    const broken = { name: 'broken', stages: ['tool-call' as const], check: () => Promise.reject(new Error('no')) };
    const first = await run.attempt([tool], { guardrails: [broken] });
    const refused = await first.toolbox.call(call('tool:1.0', 'x'));
    expect(refused).toMatchObject({ kind: 'refused', code: 'guardrail' });
    const second = await run.attempt([tool]);
    expect(await second.toolbox.call(call('tool:1.0', 'x'))).toEqual(refused);
    expect(inputs).toEqual([]);
  });
});

describe('a second attempt', () => {
  test('replays a recorded result and neither runs nor pays again', async () => {
    const { tool, inputs } = spy();
    const first = await run.attempt([tool]);
    const result = await first.toolbox.call(call('tool:1.0', 'x'));
    const second = await run.attempt([tool]);
    expect(await second.toolbox.call(call('tool:1.0', 'x'))).toEqual(result);
    expect(inputs).toHaveLength(1);
    expect(second.budget.run.usage.toolCalls).toBe(0);
  });

  test('replays even what is no longer allowed: nothing happens by it', async () => {
    const { tool, inputs } = spy();
    await (await run.attempt([tool])).toolbox.call(call('tool:1.0', 'x'));
    const { toolbox } = await run.attempt([tool], { allowed: [] });
    expect(await toolbox.call(call('tool:1.0', 'x'))).toMatchObject({ kind: 'result' });
    expect(await toolbox.call(call('tool:1.1', 'x'))).toMatchObject({ code: 'not-allowed' });
    expect(inputs).toHaveLength(1);
  });

  test.each(['none', 'idempotent'] as const)(
    'repeats an unfinished call of effect %s under the same id',
    async (effect) => {
      let turn = 0;
      const { tool, contexts } = spy({ effect, run: () => (turn++ === 0 ? never() : 'done') });
      const first = await run.attempt([tool]);
      const lost = codeOf(first.toolbox.call(call('tool:1.0', 'x')));
      await expect.poll(() => contexts).toHaveLength(1);
      first.abort();
      expect(await lost).toBe('ERR_AGENT_FAILED');
      const second = await run.attempt([tool]);
      expect(await second.toolbox.call(call('tool:1.0', 'x'))).toEqual({ kind: 'result', value: 'done' });
      expect(new Set(contexts.map(({ callId }) => callId))).toEqual(new Set([`${run.eventId}:tool:1.0`]));
      expect(contexts).toHaveLength(2);
    },
  );

  test('never repeats an effect that may have happened: a person has to say', async () => {
    const { tool, contexts } = spy({ effect: 'once', run: never });
    const first = await run.attempt([tool]);
    const lost = codeOf(first.toolbox.call(call('tool:1.0', 'x')));
    await expect.poll(() => contexts).toHaveLength(1);
    expect(first.steps.earlier('tool:1.0')).toMatchObject({
      kind: 'intent',
      value: { tool: 'say', input: { text: 'x' } },
    });
    first.abort();
    await lost;
    const second = await run.attempt([tool]);
    expect(await codeOf(second.toolbox.call(call('tool:1.0', 'x')))).toBe('ERR_AMBIGUOUS_EFFECT');
    expect(contexts).toHaveLength(1);
  });

  test.each([
    ['throws', () => Promise.reject(new Error('lost'))],
    ['throws an error of ours', () => Promise.reject(new SallyportError('ERR_SOURCE_UNAVAILABLE', 'away'))],
    ['takes too long', never],
  ])('is not needed to see it: an effect that %s is unknown at once', async (_, answer) => {
    const { tool, contexts } = spy({ effect: 'once', timeoutMs: 20, run: answer });
    const { toolbox, steps } = await run.attempt([tool]);
    expect(await codeOf(toolbox.call(call('tool:1.0', 'x')))).toBe('ERR_AMBIGUOUS_EFFECT');
    expect(steps.earlier('tool:1.0')).toMatchObject({ kind: 'intent' });
    const second = await run.attempt([tool]);
    expect(await codeOf(second.toolbox.call(call('tool:1.0', 'x')))).toBe('ERR_AMBIGUOUS_EFFECT');
    expect(contexts).toHaveLength(1);
  });

  test('takes the word of a person: it happened, or it did not and is made now', async () => {
    const { tool, contexts } = spy({ effect: 'once' });
    const settled = await run.attempt([tool]);
    await settled.steps.record('tool:1.0', { kind: 'result', value: { resolved: 'delivered' } });
    await settled.steps.record('tool:1.1', { kind: 'refused', value: { resolved: 'not_delivered' } });
    const { toolbox } = await run.attempt([tool]);
    expect(await toolbox.call(call('tool:1.0', 'x'))).toMatchObject({ kind: 'result' });
    expect(contexts).toHaveLength(0);
    expect(await toolbox.call(call('tool:1.1', 'x'))).toMatchObject({ kind: 'result', value: 'said x' });
    expect(contexts).toHaveLength(1);
  });

  test('replays a refusal of an effect as a refusal', async () => {
    const { tool, inputs } = spy({ effect: 'once', run: () => Promise.reject(new ToolRefusal('not today')) });
    await (await run.attempt([tool])).toolbox.call(call('tool:1.0', 'x'));
    const second = await run.attempt([tool]);
    expect(await second.toolbox.call(call('tool:1.0', 'x'))).toMatchObject({ code: 'refused', message: 'not today' });
    expect(inputs).toHaveLength(1);
  });

  test.each(['ERR_REPLICAS_MISSING', 'ERR_STORE_UNAVAILABLE'] as const)(
    'makes an effect later whose intent is in the journal, but was answered with %s',
    async (code) => {
      const { tool, inputs } = spy({ effect: 'once' });
      const first = await run.attempt([tool], {
        journal: (journal) => ({
          ...journal,
          async record(...entry) {
            const isRecorded = await journal.record(...entry);
            if (entry[2].kind === 'intent') throw new SallyportError(code, 'the intent is not safe');
            return isRecorded;
          },
        }),
      });
      expect(await codeOf(first.toolbox.call(call('tool:1.0', 'x')))).toBe(code);
      expect(inputs).toEqual([]);
      const second = await run.attempt([tool]);
      expect(await second.toolbox.call(call('tool:1.0', 'x'))).toMatchObject({ kind: 'result' });
      expect(inputs).toHaveLength(1);
    },
  );

  test('does not run an effect whose worker has lost its lease', async () => {
    const { tool, inputs } = spy({ effect: 'once' });
    const first = await run.attempt([tool]);
    await run.attempt([tool]);
    expect(await codeOf(first.toolbox.call(call('tool:1.0', 'x')))).toBe('ERR_LEASE_LOST');
    expect(inputs).toEqual([]);
  });

  test("that numbers its steps wrongly is stopped instead of being told another call's result", async () => {
    const [say, other] = [spy(), spy({ name: 'other' })];
    const first = await run.attempt([say.tool, other.tool]);
    await first.toolbox.call(call('tool:1.0', 'x'));
    expect(await codeOf(first.toolbox.call(call('tool:1.0', 'y')))).toBe('ERR_INTERNAL');
    const second = await run.attempt([say.tool, other.tool]);
    expect(await codeOf(second.toolbox.call(call('tool:1.0', 'x', 'other')))).toBe('ERR_INTERNAL');
    expect(other.inputs).toEqual([]);
  });
});

describe('the audit', () => {
  /** SHA-256 of {"text":"x"} */
  const X = 'fcd1ccec08db6f78a81fee6c26da9e6b8d0d3ba58b4403713fffebcfaa6cf119';

  test('has one entry for every call that was made, with a digest of its arguments and none of them', async () => {
    const answers: Record<string, () => unknown> = {
      fails: () => Promise.reject(new Error('no')),
      refuses: () => Promise.reject(new ToolRefusal('no')),
      hangs: never,
    };
    const { tool } = spy({ timeoutMs: 20, run: ({ text }) => (answers[text]?.() ?? 'done') as string });
    const final = spy({ name: 'end', isFinal: true });
    const { toolbox, trail } = await run.attempt([tool, final.tool]);
    for (const [n, text] of ['x', 'fails', 'refuses', 'hangs', SECRET].entries()) {
      await toolbox.call(call(`tool:1.${n}`, text));
    }
    await toolbox.call(call('tool:2.0', 'bye', 'end'));
    const about = (tool: string, step: string) => ({ agent: 'assistant', tool, step });
    const argumentsSha256 = expect.stringMatching(/^[0-9a-f]{64}$/);
    expect(trail.noted).toEqual([
      { action: 'tool.called', data: { ...about('say', 'tool:1.0'), outcome: 'done', argumentsSha256: X } },
      { action: 'tool.refused', data: { ...about('say', 'tool:1.1'), code: 'failed', argumentsSha256 } },
      { action: 'tool.refused', data: { ...about('say', 'tool:1.2'), code: 'refused', argumentsSha256 } },
      { action: 'tool.refused', data: { ...about('say', 'tool:1.3'), code: 'timeout', argumentsSha256 } },
      { action: 'tool.called', data: { ...about('say', 'tool:1.4'), outcome: 'done', argumentsSha256 } },
      { action: 'tool.called', data: { ...about('end', 'tool:2.0'), outcome: 'done', argumentsSha256 } },
    ]);
    expect(JSON.stringify(trail.noted)).not.toMatch(new RegExp(`refuses|bye|${SECRET}`));
  });

  test('has no digest of a call that was not made, because no tool was started with those arguments', async () => {
    const { toolbox, trail } = await run.attempt([spy().tool], { allowed: [] });
    await toolbox.call(call('tool:1.0', 'x'));
    await toolbox.call(call('tool:1.1', 'x', 'made up'));
    expect(trail.noted.map(({ action, data }) => [action, data.code, data.argumentsSha256])).toEqual([
      ['tool.refused', 'not-allowed', undefined],
      ['tool.refused', 'unknown-tool', undefined],
    ]);
  });

  test('tells what an earlier attempt did from what this one does', async () => {
    const once = spy({ name: 'once', effect: 'once' });
    const local = spy({ name: 'local', isLocal: true });
    const tools = [once.tool, local.tool];
    const outcomes = async () => {
      const { toolbox, trail } = await run.attempt(tools);
      await toolbox.call(call('tool:1.0', 'x', 'once'));
      await toolbox.call(call('tool:1.1', 'x', 'local'));
      return trail.noted.map(({ data }) => [data.tool, data.outcome, data.argumentsSha256]);
    };
    expect(await outcomes()).toEqual([
      ['once', 'done', X],
      ['local', 'done', X],
    ]);
    expect(await outcomes()).toEqual([
      ['once', 'recorded', X],
      ['local', 'repeated', X],
    ]);
    expect([once.inputs.length, local.inputs.length]).toEqual([1, 2]);
  });

  test('has a call within which the attempt ended: it may have had its effect', async () => {
    const { tool, inputs } = spy({ effect: 'once', run: never });
    const killed = await run.attempt([tool]);
    const pending = codeOf(killed.toolbox.call(call('tool:1.0', 'x')));
    await expect.poll(() => inputs).toHaveLength(1);
    killed.abort(new SallyportError('ERR_KILLED', 'the kill switch is on'));
    await pending;
    const late = spy({ name: 'late', effect: 'once', timeoutMs: 20, run: never });
    const unknown = await run.attempt([late.tool]);
    await codeOf(unknown.toolbox.call(call('tool:2.0', 'x', 'late')));
    const noted = [...killed.trail.noted, ...unknown.trail.noted];
    expect(noted.map(({ action, data }) => [action, data.tool, data.outcome, data.code, data.argumentsSha256])).toEqual(
      [
        ['tool.called', 'say', 'interrupted', 'ERR_KILLED', X],
        ['tool.called', 'late', 'interrupted', 'ERR_AMBIGUOUS_EFFECT', X],
      ],
    );
  });

  test('has the values of arguments a tool names, as the tool gets them, if they are short texts', async () => {
    const input = z.looseObject({ program: z.string() });
    const tool = defineTool({
      ...{
        name: 'start',
        description: '',
        input,
        effect: 'none',
        auditedArguments: ['program', 'n', 'absent', 'toString'],
      },
      run: () => null,
    } as const) as Tool;
    const change = {
      name: 'editor',
      stages: ['tool-call' as const],
      check: ({ text }: { text: string }) => ({ kind: 'change' as const, text: text.replace('wc', 'cat') }),
    };
    const { toolbox, trail } = await run.attempt([tool], { guardrails: [change] });
    await toolbox.call({ id: 'tool:1.0', name: 'start', input: { program: 'wc', n: 1, more: 'words' } });
    await toolbox.call({ id: 'tool:1.1', name: 'start', input: { program: 'long '.repeat(20) } });
    expect(trail.noted.map(({ data }) => data.arguments)).toEqual([{ program: 'cat' }, undefined]);
  });
});
