import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { probeModel } from '../../../src/ops/model-endpoint.ts';
import { type LlmServer, startLlmServer } from '../../../src/testing/agents/llm-server.ts';
import { createFakeClock, PATIENCE_MS } from '../../support/clock.ts';

let llm: LlmServer;
let asked = 0;
let answered = 0;
beforeEach(async () => {
  asked = 0;
  answered = 0;
  llm = await startLlmServer();
});
afterEach(() => llm.stop());

const counting: typeof fetch = async (...request) => {
  asked += 1;
  return fetch(...request).finally(() => {
    answered += 1;
  });
};
/** Until what was asked is known, and what follows from it. */
const settled = async (): Promise<void> => {
  await vi.waitFor(() => expect(answered).toBe(asked), { timeout: PATIENCE_MS });
  await new Promise((resolve) => setTimeout(resolve, 20));
};

test('an endpoint is asked once a minute, and one that is gone is told after two looks', async () => {
  const clock = createFakeClock();
  const probe = probeModel({ baseUrl: llm.url, fetch: counting }, clock.now);
  for (let n = 0; n < 10; n += 1) {
    await probe();
    await settled();
    clock.advance(2_000);
  }
  expect(asked).toBe(1);
  await llm.stop();
  clock.advance(60_000);
  await probe();
  await settled();
  await probe();
  clock.advance(5_000);
  await probe();
  await settled();
  await expect(probe()).rejects.toMatchObject({ code: 'ERR_MODEL_UNAVAILABLE' });
  expect(asked).toBe(3);
});

test('an endpoint that is there again is told at its next look', async () => {
  const clock = createFakeClock();
  let isAway = true;
  const flaky: typeof fetch = (...request) => (isAway ? Promise.reject(new Error('away')) : fetch(...request));
  const probe = probeModel({ baseUrl: llm.url, fetch: flaky }, clock.now);
  await vi.waitFor(
    async () => {
      clock.advance(5_000);
      await expect(probe()).rejects.toThrow();
    },
    { timeout: PATIENCE_MS },
  );
  isAway = false;
  await vi.waitFor(
    async () => {
      clock.advance(5_000);
      await probe();
    },
    { timeout: PATIENCE_MS },
  );
});
