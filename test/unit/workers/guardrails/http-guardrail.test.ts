import type { RequestListener } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../../../src/core/crypto/crypto.node.ts';
import { createGuardedFetch } from '../../../../src/net/guarded-fetch.ts';
import { createScrubber } from '../../../../src/scrub/scrubber.ts';
import { createTrail } from '../../../../src/workers/audit-trail.ts';
import { createGuardrails, type Judged } from '../../../../src/workers/guardrails/guardrails.ts';
import { createHttpGuardrail, type HttpGuardrailOptions } from '../../../../src/workers/guardrails/http-guardrail.ts';
import { createFakeClock } from '../../../support/clock.ts';
import { noted } from '../../../support/tool-run.ts';
import { startWeb } from '../../net/support/web.ts';

const subject = (text = 'hello', tenant = 'acme'): Judged => ({
  stage: 'output',
  tenant,
  agent: 'assistant',
  text,
  instructions: 'Be kind.',
  signal: new AbortController().signal,
  trail: createTrail(),
});

type Answer =
  | { readonly status?: number; readonly body?: string; readonly headers?: Record<string, string> }
  | 'hang'
  | 'drop';

async function open(answer: (n: number) => Answer, options: Partial<HttpGuardrailOptions> = {}, timeoutMs = 2_000) {
  const bodies: unknown[] = [];
  const listener: RequestListener = (request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      bodies.push(JSON.parse(text));
      const one = answer(bodies.length);
      if (one === 'drop') return void request.socket.destroy();
      if (one === 'hang') return;
      response.writeHead(one.status ?? 200, one.headers).end(one.body ?? '{"verdict":"pass"}');
    });
  };
  const web = await startWeb(listener);
  const clock = createFakeClock();
  const allow = [{ host: '127.0.0.1', port: web.port }];
  const fetch = createGuardedFetch({ resolve: async () => [], allow, timeoutMs });
  onTestFinished(() => fetch.close());
  const guardrail = createHttpGuardrail({
    name: 'policy',
    url: `http://127.0.0.1:${web.port}/check`,
    stages: ['output'],
    fetch,
    token: 'a-token-of-the-policy',
    sendsInstructions: true,
    cacheMs: 60_000,
    policyVersion: async () => 0,
    clock: clock.now,
    scrub: createScrubber({ crypto: nodeCrypto, key: new Uint8Array(32).fill(7) }),
    ...options,
  });
  const guardrails = createGuardrails([guardrail], noted());
  return { web, bodies, clock, check: (text?: string, tenant?: string) => guardrails.check(subject(text, tenant)) };
}

describe('a guardrail that is a service', () => {
  test('is asked with everything it needs and nothing else', async () => {
    const { check, bodies, web } = await open(() => ({}));
    expect(await check()).toEqual({ kind: 'pass' });
    expect(bodies).toEqual([
      { stage: 'output', tenant: 'acme', agent: 'assistant', text: 'hello', instructions: 'Be kind.' },
    ]);
    expect(web.requests[0]).toMatchObject({
      method: 'POST',
      url: '/check',
      headers: { authorization: 'Bearer a-token-of-the-policy' },
    });
    const quiet = await open(() => ({}), { sendsInstructions: false, token: undefined });
    await quiet.check();
    expect(quiet.bodies).toEqual([{ stage: 'output', tenant: 'acme', agent: 'assistant', text: 'hello' }]);
    expect(quiet.web.requests[0]?.headers.authorization).toBeUndefined();
  });

  test.each([
    ['{"verdict":"pass"}', { kind: 'pass' }],
    ['{"verdict":"change","text":"mild"}', { kind: 'change', text: 'mild' }],
    ['{"verdict":"block","reason":"rude"}', { kind: 'block', reason: 'rude' }],
    ['{"verdict":"block"}', { kind: 'block', reason: 'blocked' }],
    ['{"verdict":"block","reason":"It says: hunter2!"}', { kind: 'block', reason: 'blocked' }],
  ])('decides: %s', async (body, expected) => {
    expect(await (await open(() => ({ body }))).check()).toEqual(expected);
  });

  test.each<[string, Answer]>([
    ['an error', { status: 500 }],
    ['another status', { status: 201 }],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1/' } }],
    ['no JSON', { body: 'pass' }],
    ['no verdict', { body: '{}' }],
    ['another verdict', { body: '{"verdict":"ok"}' }],
    ['more than a verdict', { body: '{"verdict":"pass","note":"x"}' }],
    ['a change without text', { body: '{"verdict":"change"}' }],
    ['a pass with text', { body: '{"verdict":"pass","text":"x"}' }],
    ['an empty body', { body: '' }],
    ['a list', { body: '[{"verdict":"pass"}]' }],
    ['a cut connection', 'drop'],
    ['nothing', 'hang'],
  ])('blocks when it answers with %s', async (_, answer) => {
    const { check } = await open(() => answer, {}, 300);
    expect(await check()).toMatchObject({ kind: 'block', reason: 'unavailable' });
  });

  test('is not asked the same again for a while, and a failure is no verdict to keep', async () => {
    const { check, bodies, clock } = await open((n) => (n === 1 ? { status: 500 } : {}));
    expect(await check()).toMatchObject({ kind: 'block' });
    expect(await check()).toEqual({ kind: 'pass' });
    expect(await check()).toEqual({ kind: 'pass' });
    expect(bodies).toHaveLength(2);
    await check('another text');
    expect(bodies).toHaveLength(3);
    clock.advance(60_001);
    await check();
    expect(bodies).toHaveLength(4);
  });

  test('forgets every verdict when its policy changes or somebody says so', async () => {
    let policy = 0;
    const { check, bodies } = await open((n) => ({ headers: { 'x-policy-version': n < 3 ? 'one' : 'two' } }), {
      policyVersion: async () => policy,
    });
    await check('a');
    await check('b');
    await check('a');
    expect(bodies).toHaveLength(2);
    await check('c');
    await check('a');
    expect(bodies).toHaveLength(4);
    policy = 7;
    await check('a');
    expect(bodies).toHaveLength(5);
  });

  test('keeps the verdicts of each tenant by the policy that the service has for that tenant', async () => {
    const versions: Record<string, string> = { acme: '1', globex: '7' };
    const { bodies, check } = await open((n) => {
      const { tenant } = bodies[n - 1] as { tenant: string };
      return { headers: { 'x-policy-version': versions[tenant] ?? '' } };
    });
    const askAll = async (): Promise<void> => {
      for (const text of ['a', 'b']) for (const tenant of ['acme', 'globex']) await check(text, tenant);
    };
    await askAll();
    await askAll();
    expect(bodies).toHaveLength(4);
    versions.acme = '2';
    await check('c', 'acme');
    await askAll();
    expect(bodies.slice(5).map((body) => (body as { tenant: string }).tenant)).toEqual(['acme', 'acme']);
  });

  test('is asked every time when nothing is to be kept', async () => {
    const { check, bodies } = await open(() => ({}), { cacheMs: 0 });
    await check();
    await check();
    expect(bodies).toHaveLength(2);
  });
});
