import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { encryptGraphContent, graphDelivery, graphItem, signGraphToken } from '../../src/testing/graph/signer.ts';
import { signSlackRequest, slackJson } from '../../src/testing/slack/signer.ts';
import { type BotConnectorServer, startBotConnectorServer } from '../../src/testing/teams/bot-connector-server.ts';
import { signTeamsActivity, signTeamsOutgoing } from '../../src/testing/teams/signer.ts';
import { createFakeClock } from '../support/clock.ts';
import { echoWork } from '../support/echo-work.ts';
import type { Front, OpenFront } from '../support/fronts.ts';
import { SIGNING_SECRET } from '../support/gate.ts';
import { type GraphFront, type GraphIssuer, openGraphFront, startGraphIssuer } from '../support/graph-front.ts';
import { CLIENT_STATE, certificate } from '../support/graph-gate.ts';
import { BASE64, BASE64URL, HEX, letIn } from '../support/misspellings.ts';
import { message } from '../support/slack.ts';
import { APP_ID, botKey, SECURITY_TOKEN, said } from '../support/teams.ts';

/**
 * Every character of every proof of a delivery counts, whatever runs the front door. Each test changes them one by one,
 * expects each change to be refused, and that the honest proof is taken in the end, so that nothing else was wrong with the
 * request.
 */
export function signatures(name: string, openFront: OpenFront): void {
  describe(`proofs of deliveries on ${name}`, () => {
    const clock = createFakeClock();
    let front: Front;
    const open = async (settings: Readonly<Record<string, string>>): Promise<void> => {
      front = await openFront({ clock: clock.now, work: echoWork(clock.now), settings });
    };
    afterEach(() => front.stop());

    const post = async (path: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Promise<number> => {
      const init = { method: 'POST', headers: { ...headers }, body: new Uint8Array(body) };
      return (await front.request(new Request(`http://gate.test/hooks/${path}`, init))).status;
    };

    test('Slack: every digit of the signature', async () => {
      await open({ SLACK_SIGNING_SECRET: SIGNING_SECRET });
      const signing = { signingSecret: SIGNING_SECRET, at: clock.now() };
      const { headers, body } = signSlackRequest(slackJson(message({ text: 'hello' })), signing);
      const digest = headers['x-slack-signature']?.slice('v0='.length) ?? '';
      expect(digest).toMatch(/^[0-9a-f]{64}$/);
      const knock = async (text: string) =>
        (await post('slack/default', { ...headers, 'x-slack-signature': `v0=${text}` }, body)) !== 401;
      expect(await letIn(digest, HEX, knock)).toEqual([]);
      expect(await knock(digest)).toBe(true);
    });

    describe('Teams', () => {
      const hello = said({ text: 'hello', at: clock.now() });

      test('every character of an outgoing webhook’s HMAC', async () => {
        await open({ TEAMS_OUTGOING_SECRET: SECURITY_TOKEN });
        const { headers, body } = signTeamsOutgoing(hello, { securityToken: SECURITY_TOKEN, at: clock.now() });
        const mac = headers.authorization?.slice('HMAC '.length) ?? '';
        expect(mac).toMatch(/^[A-Za-z0-9+/]{43}=$/);
        const knock = async (text: string) =>
          (await post('teams/default/outgoing', { ...headers, authorization: `HMAC ${text}` }, body)) !== 401;
        expect(await letIn(mac, BASE64, knock)).toEqual([]);
        expect(await knock(mac)).toBe(true);
      });

      test('every character of the signature of a bot’s token', async () => {
        const connector: BotConnectorServer = await startBotConnectorServer({ keys: [botKey] });
        await open({ TEAMS_APP_ID: APP_ID, TEAMS_OPENID_URL: connector.keys.openidUrl });
        const { headers, body } = signTeamsActivity(hello, { key: botKey, appId: APP_ID, at: clock.now() });
        const token = headers.authorization ?? '';
        const signatureAt = token.lastIndexOf('.') + 1;
        const knock = async (text: string) => {
          const authorization = `${token.slice(0, signatureAt)}${text}`;
          return (await post('teams/default', { ...headers, authorization }, body)) === 202;
        };
        // 256 bytes: the last character has four bits that count for nothing.
        const signature = token.slice(signatureAt);
        expect(signature).toHaveLength(342);
        expect(await letIn(signature.slice(0, -1), BASE64URL, (text) => knock(`${text}${signature.at(-1)}`))).toEqual(
          [],
        );
        expect(await knock(signature)).toBe(true);
        await connector.stop();
      });
    });

    describe('Graph', () => {
      let issuer: GraphIssuer;
      let graph: GraphFront;
      beforeAll(async () => {
        issuer = await startGraphIssuer();
      });
      afterAll(() => issuer.keys.stop());
      const openGraph = async (): Promise<void> => {
        graph = await openGraphFront(openFront, issuer);
        front = graph;
      };
      /** Graph is answered 202 whatever it sends, so the outcome tells whether it was let in. */
      async function isAccepted(item: object, rest = '', tokens?: readonly string[]): Promise<boolean> {
        const response = await graph.post(rest, graphDelivery([item], tokens));
        return response.headers.get('x-sallyport-outcome') === 'accepted';
      }
      let written = 0;
      const itemOf = (overrides: object = {}) => {
        written += 1;
        const resource = `users('a')/messages('${written}')`;
        return { ...graphItem({ tenantId: issuer.tenantId, clientState: CLIENT_STATE, resource }), ...overrides };
      };
      const tokenOf = (): string => signGraphToken({ ...issuer, at: graph.clock.now() });

      test('every character of the signature of encrypted data', async () => {
        await openGraph();
        const token = tokenOf();
        const content = encryptGraphContent({ id: '1' }, certificate.publicKey, certificate.id);
        const knock = (dataSignature: string) =>
          isAccepted(itemOf({ encryptedContent: { ...content, dataSignature } }), '', [token]);
        expect(content.dataSignature).toMatch(/^[A-Za-z0-9+/]{43}=$/);
        expect(await letIn(content.dataSignature, BASE64, knock)).toEqual([]);
        expect(await knock(content.dataSignature)).toBe(true);
      });

      test('every character of the signature of a validation token', async () => {
        await openGraph();
        const token = tokenOf();
        const signatureAt = token.lastIndexOf('.') + 1;
        const encryptedContent = encryptGraphContent({ id: '1' }, certificate.publicKey, certificate.id);
        const knock = (signature: string) =>
          isAccepted(itemOf({ encryptedContent }), '', [`${token.slice(0, signatureAt)}${signature}`]);
        const signature = token.slice(signatureAt);
        expect(await letIn(signature.slice(0, -1), BASE64URL, (text) => knock(`${text}${signature.at(-1)}`))).toEqual(
          [],
        );
        expect(await knock(signature)).toBe(true);
      });

      test('every character of a client state: of a hand-made one, and of one of ours', async () => {
        await openGraph();
        expect(await letIn(CLIENT_STATE, BASE64URL, (clientState) => isAccepted(itemOf({ clientState })))).toEqual([]);
        expect(await isAccepted(itemOf())).toBe(true);

        const nonce = graph.states.nonceOf('default', 'users/a@example.com/messages', 'created');
        const ours = graph.states.stateOf('default', nonce);
        const knock = (clientState: string) => isAccepted(itemOf({ clientState }), `/${nonce}`);
        expect(await letIn(ours, BASE64URL, knock)).toEqual([]);
        expect(await knock(ours)).toBe(true);
      });

      test('every character of the nonce in the URL', async () => {
        await openGraph();
        const nonce = graph.states.nonceOf('default', 'users/a@example.com/messages', 'created');
        const clientState = graph.states.stateOf('default', nonce);
        const knock = (text: string) => isAccepted(itemOf({ clientState }), `/${text}`);
        expect(await letIn(nonce, BASE64URL, knock)).toEqual([]);
        expect(await knock(nonce)).toBe(true);
      });
    });
  });
}
