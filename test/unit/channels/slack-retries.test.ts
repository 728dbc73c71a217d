import { describe, expect, it } from 'vitest';
import { deliverWithRetries } from '../../../src/testing/slack/retries.ts';
import { slackJson, slackMessage } from '../../../src/testing/slack/signer.ts';
import { createFakeClock } from '../../support/clock.ts';
import { delivery, NOW, SECRET, slackChannel } from './slack-harness.ts';

type Answer = { readonly status: number; readonly noRetry?: boolean; readonly takesMs?: number } | 'lost';

/** Delivers one message; the gate answers as scripted, the last answer for ever. */
async function deliver(...answers: Answer[]) {
  const clock = createFakeClock(NOW);
  let next = 0;
  const attempts = await deliverWithRetries({
    body: slackJson(slackMessage({ text: 'hello', at: NOW })),
    signingSecret: SECRET,
    clock: clock.now,
    pass: clock.advance,
    send: async () => {
      const answer = answers[Math.min(next, answers.length - 1)] ?? 'lost';
      next += 1;
      if (answer === 'lost') throw new TypeError('fetch failed');
      clock.advance(answer.takesMs ?? 0);
      const headers = new Headers(answer.noRetry ? { 'x-slack-no-retry': '1' } : {});
      return { status: answer.status, headers };
    },
  });
  return attempts;
}

const seconds = (attempts: Awaited<ReturnType<typeof deliver>>) => attempts.map(({ at }) => (at - NOW) / 1000);
const reasons = (attempts: Awaited<ReturnType<typeof deliver>>) =>
  attempts.map(({ request }) => request.headers['x-slack-retry-reason']);

describe("the simulator of Slack's retries", () => {
  it.each([
    ['a first success ends it', [{ status: 200 }], [0]],
    ['a failure is tried again at once', [{ status: 503 }, { status: 200 }], [0, 0]],
    ['then after a minute, then after five', [{ status: 503 }], [0, 0, 60, 360]],
    ['a refusal for good ends it', [{ status: 400, noRetry: true }], [0]],
    ['a refusal for good counts only with a failure', [{ status: 503 }, { status: 200, noRetry: true }], [0, 0]],
    ['an answer after 3 s is none', [{ status: 200, takesMs: 3_001 }, { status: 200 }], [0, 3.001]],
    [
      'no-retry in an answer that came late is not heard',
      [{ status: 400, noRetry: true, takesMs: 4_000 }, { status: 200 }],
      [0, 4],
    ],
  ] as const)('%s', async (_, answers, at) => {
    expect(seconds(await deliver(...answers))).toEqual(at);
  });

  it('says why it tries again, and how often it has', async () => {
    const attempts = await deliver({ status: 503 }, 'lost', { status: 200, takesMs: 5_000 }, { status: 200 });
    expect(reasons(attempts)).toEqual([undefined, 'http_error', 'connection_failed', 'http_timeout']);
    expect(attempts.map(({ request }) => request.headers['x-slack-retry-num'])).toEqual([undefined, '1', '2', '3']);
  });

  it('every attempt is signed anew and is the same event to the gate', async () => {
    const attempts = await deliver({ status: 503 });
    const received = attempts.map(({ request, at }) => slackChannel().receive(delivery(request, { receivedAt: at })));
    const keys = (await Promise.all(received)).map(({ events }) => events[0]?.event.identity.key);
    expect(keys).toHaveLength(4);
    expect(new Set(keys).size).toBe(1);
    expect(new Set(attempts.map(({ request }) => request.headers['x-slack-signature'])).size).toBe(3);
  });
});
