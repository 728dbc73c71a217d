import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type HttpAgentRequest,
  type HttpAgentServerOptions,
  signCallback,
  startHttpAgentServer,
} from '../../src/testing/agents/http-agent-server.ts';
import { startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { sampleSecrets } from '../fixtures/secrets.ts';
import { freshKeys, seeded } from '../support/campaign.ts';
import { holds, leaks } from '../support/canary/search.ts';
import { wordsOf } from '../support/canary/words.ts';
import { type CanaryWorld, openCanary } from '../support/canary/world.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { AGENT_SECRET } from '../support/http-agent.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';

const secrets = sampleSecrets(seeded(20_266));
const caseOf = (text: string): number => Number(/case-(\d+)/.exec(text)?.[1] ?? 0);

/** An agent that says the secret in every answer: at once, by callback, or in an error before it answers. */
function saying(later: HttpAgentRequest[]): NonNullable<HttpAgentServerOptions['react']> {
  const failed = new Set<number>();
  return (request) => {
    const n = caseOf(request.event.text);
    const secret = secrets[n]?.text ?? '';
    if (n % 9 === 4 && !failed.has(n) && failed.add(n)) return { status: 500, body: secret };
    if (n % 9 === 7) return { status: 422, body: JSON.stringify({ error: secret }) };
    if (n % 3 === 0) {
      later.push(request);
      return { status: 202, body: secret };
    }
    return { reply: { text: `case-${n} answered ${secret}` } };
  };
}

async function callBack(world: CanaryWorld, later: readonly HttpAgentRequest[]): Promise<string[]> {
  const answers: string[] = [];
  for (const { run, event } of later) {
    const n = caseOf(event.text);
    const answer = { reply: { text: `case-${n} called back ${secrets[n]?.text}` } };
    const { headers, body } = signCallback({ secret: AGENT_SECRET, run, answer });
    const taken = await world.post(`/callbacks/${run}`, { headers, body: Buffer.from(body) });
    expect(taken.status).toBe(200);
    // What is not an answer is refused; nothing of it may show either.
    const wrong = { ...answer, [secrets[n]?.text ?? '']: secrets[n]?.text };
    const spoilt = signCallback({ secret: AGENT_SECRET, run, answer: wrong });
    const refused = await world.post(`/callbacks/${run}`, { ...spoilt, body: Buffer.from(spoilt.body) });
    answers.push(taken.body, refused.body);
  }
  return answers;
}

describe('secrets of every kind around an agent behind HTTP', () => {
  test(
    'none is in a request to it, the store, the logs, an answer to a callback or a reply',
    async () => {
      const later: HttpAgentRequest[] = [];
      const slack = await startSlackServer();
      const agent = await startHttpAgentServer({ secret: AGENT_SECRET, react: saying(later) });
      onTestFinished(() => Promise.all([slack.stop(), agent.stop()]).then(() => {}));
      const { SLACK_SIGNING_SECRET, SLACK_BOT_TOKEN } = freshKeys();
      const world = await openCanary({
        publicUrlIn: ['SALLYPORT_PUBLIC_URL'],
        environment: {
          SLACK_SIGNING_SECRET,
          SLACK_BOT_TOKEN,
          SLACK_API_URL: slack.url,
          SALLYPORT_AGENT: 'http',
          SALLYPORT_AGENT_URL: agent.url,
          SALLYPORT_AGENT_SECRET: AGENT_SECRET,
          SALLYPORT_BUDGET_USD_DAY: 'unlimited',
          SALLYPORT_BUDGET_USER_RUNS_HOUR: 'unlimited',
        },
      });
      for (const [n, { text }] of secrets.entries()) {
        const said = slackMessage({ text: `case-${n} ${text}`, channel: `D${n}`, user: `U${n}`, at: Date.now() });
        const payload = slackJson({ ...said, note: wordsOf(text) });
        const signed = signSlackRequest(payload, { signingSecret: SLACK_SIGNING_SECRET, at: Date.now() });
        expect((await world.post('/hooks/slack/default', signed)).outcome).toBe('accepted');
      }
      const waiting = secrets.filter((_, n) => n % 3 === 0 && n % 9 !== 4 && n % 9 !== 7).length;
      await expect.poll(() => later.length, { timeout: PATIENCE_MS }).toBeGreaterThanOrEqual(waiting);
      const answers = await callBack(world, later);
      const states = await world.settled();
      expect(new Set(states.values())).toEqual(new Set(['done', 'parked']));
      const places = new Map(await world.places());
      for (const phrase of ['answered', 'called back']) {
        expect(slack.posts.some(({ text }) => text.includes(phrase))).toBe(true);
      }
      places.set('requests', Buffer.from(agent.requests.map(({ body }) => body).join('\n')));
      places.set('answers', Buffer.from(answers.join('\n')));
      places.set('replies', Buffer.from(JSON.stringify(slack.posts)));
      expect(leaks(secrets, places)).toEqual([]);
      expect(holds(places, { 'secret of the agent': AGENT_SECRET })).toEqual([]);
    },
    CAMPAIGN_MS,
  );
});
