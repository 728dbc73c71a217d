import { describe, expect, test } from 'vitest';
import { signTeamsOutgoing } from '../../src/testing/teams/signer.ts';
import { echoWork } from '../support/echo-work.ts';
import { edgeFronts } from '../support/fronts.ts';
import { SIGNING_SECRET } from '../support/gate.ts';
import { BASE64URL, letIn } from '../support/misspellings.ts';
import { message, postSlack } from '../support/slack.ts';
import { SECURITY_TOKEN, said } from '../support/teams.ts';
import { gmailDoor } from './gmail-door.contract.ts';
import { graphForgeries } from './graph-forgeries.contract.ts';
import { graphStatus } from './graph-status.contract.ts';
import { graphVectors } from './graph-vectors.contract.ts';
import { signatures } from './signatures.contract.ts';
import { slackStatus } from './slack-status.contract.ts';
import { slackVectors } from './slack-vectors.contract.ts';
import { teamsBot } from './teams-bot.contract.ts';
import { teamsOutgoing } from './teams-outgoing.contract.ts';

/** The suites of the front door on the Workers runtime; on Node they run beside the cases that only Node has, which docs/edge.md lists. */

const openEdgeFront = edgeFronts();

slackStatus('the edge', openEdgeFront);
slackVectors('the edge', openEdgeFront);
graphStatus('the edge', openEdgeFront);
graphForgeries('the edge', openEdgeFront);
graphVectors('the edge', openEdgeFront);
gmailDoor('the edge', openEdgeFront);
teamsBot('the edge', openEdgeFront);
teamsOutgoing('the edge', openEdgeFront);
signatures('the edge', openEdgeFront);

describe('what only the origin can accept', () => {
  const at = 1_900_000_000_000;
  const open = (settings: Readonly<Record<string, string>>) =>
    openEdgeFront({ clock: () => at, work: echoWork(() => at), settings });

  test('a sender that waits for a reply is asked to come back while the origin is away, and nothing is kept', async () => {
    const front = await open({ TEAMS_OUTGOING_SECRET: SECURITY_TOKEN });
    const { headers, body } = signTeamsOutgoing(said({ text: '<at>bot</at> hello', at }), {
      securityToken: SECURITY_TOKEN,
      at,
    });
    const ask = async () => {
      const url = 'http://gate.test/hooks/teams/default/outgoing';
      const response = await front.request(new Request(url, { method: 'POST', headers, body: new Uint8Array(body) }));
      return { status: response.status, answer: await response.json(), counts: await front.counts() };
    };
    front.takeOriginAway();
    expect(await ask()).toEqual({
      status: 200,
      answer: { type: 'message', text: expect.stringContaining('ask again') },
      counts: ['unavailable'],
    });
    expect(await front.records()).toEqual([]);
    front.bringOriginBack();
    expect(await ask()).toEqual({
      status: 200,
      answer: { type: 'message', text: 'echo: hello' },
      counts: ['forwarded'],
    });
    await front.stop();
  });

  test('a body over the limit of the edge is passed on, and is answered 503 while the origin is away', async () => {
    const front = await open({ SLACK_SIGNING_SECRET: SIGNING_SECRET, SALLYPORT_EDGE_PASS_ON_OVER: '16KiB' });
    const large = message({ text: 'x '.repeat(10_000) });
    front.takeOriginAway();
    expect(await postSlack(front, large, { at })).toMatchObject({ status: 503, outcome: null });
    expect(await front.records()).toEqual([]);
    front.bringOriginBack();
    expect(await postSlack(front, large, { at })).toMatchObject({ status: 200, outcome: 'forwarded' });
    expect(await front.records()).toHaveLength(1);
    // A forgery is refused here, whatever its size.
    expect(await postSlack(front, large, { at, tamper: 'altered' })).toMatchObject({ status: 401 });
    await front.stop();
  });
});

test('metrics: every character of the bearer token counts', async () => {
  const token = 'a-token-for-metrics-only';
  const front = await openEdgeFront({
    settings: { SLACK_SIGNING_SECRET: SIGNING_SECRET, SALLYPORT_METRICS_TOKEN: token },
  });
  const knock = async (text: string) => {
    const headers = { authorization: `Bearer ${text}` };
    return (await front.request(new Request('http://gate.test/metrics', { headers }))).status !== 401;
  };
  expect(await letIn(token, BASE64URL, knock)).toEqual([]);
  expect(await knock(token)).toBe(true);
  await front.stop();
});
