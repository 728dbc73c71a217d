import { describe, expect, onTestFinished, test } from 'vitest';
import { type GraphServer, startGraphServer } from '../../src/testing/graph/server.ts';
import {
  encryptGraphContent,
  type GraphItem,
  graphDelivery,
  graphItem,
  signGraphToken,
} from '../../src/testing/graph/signer.ts';
import type { GraphSubscription } from '../../src/testing/graph/subscriptions.ts';
import { createTestCertificate } from '../../src/testing/keys/certificate.ts';
import { type SampleSecret, sampleSecrets } from '../fixtures/secrets.ts';
import { seeded } from '../support/campaign.ts';
import { holds, leaks } from '../support/canary/search.ts';
import { wordsOf } from '../support/canary/words.ts';
import { type CanaryWorld, openCanary } from '../support/canary/world.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';
import { until } from '../support/until.ts';

const MAILBOX = 'agent@example.com';
const CERTIFICATE = 'sallyport';

const secrets = sampleSecrets(seeded(20_264));
const certificate = createTestCertificate();

const htmlOf = (text: string): object => ({
  contentType: 'html',
  content: `<html><body><div style="x">${text}</div><img alt="${text.replaceAll('"', '&quot;')}"></body></html>`,
});
const person = (text: string, address = 'ada@example.org'): object => ({ emailAddress: { name: text, address } });

/** What a mail may say besides its text. */
const mailFields = (text: string): Record<string, unknown> => ({
  subject: text,
  bodyPreview: text,
  uniqueBody: { contentType: 'text', content: text },
  from: person(text),
  sender: person(text),
  toRecipients: [person(text)],
  ccRecipients: [person(text)],
  replyTo: [person(text)],
  categories: [text],
  webLink: `https://outlook.example.com/?q=${encodeURIComponent(text)}`,
  conversationId: text,
  hasAttachments: true,
  attachments: [{ name: text, contentType: 'text/plain', contentBytes: Buffer.from(text).toString('base64') }],
  internetMessageHeaders: [{ name: 'X-Note', value: text }],
  ...wordsOf(text),
});

/** What a Teams message may say besides its text. */
const chatFields = (text: string): Record<string, unknown> => ({
  subject: text,
  summary: text,
  body: htmlOf(text),
  from: { application: null, user: { id: 'user-1', displayName: text } },
  attachments: [{ id: '1', name: text, content: JSON.stringify(wordsOf(text)), contentUrl: `https://x.example/${1}` }],
  mentions: [{ id: 0, mentionText: text, mentioned: { user: { displayName: text } } }],
  reactions: [{ reactionType: text }],
  policyViolation: { justificationText: text },
  ...wordsOf(text),
});

const subscribedTo = (graph: GraphServer, part: string): GraphSubscription => {
  const found = graph.subscriptions().find(({ resource }) => resource.toLowerCase().includes(part));
  if (found === undefined) throw new Error(`nobody subscribed to ${part}`);
  return found;
};

/** Graph's notifications about four objects: two to be fetched, two encrypted inside, with words wherever they may be. */
function notifications(graph: GraphServer, { core, text }: SampleSecret, n: number): [GraphSubscription, GraphItem][] {
  const mailbox = subscribedTo(graph, 'users/');
  const chats = subscribedTo(graph, 'chats');
  const chat = `19:canary${n}@thread.v2`;
  const fetched = [
    graph.mail(MAILBOX, { text, fields: mailFields(text) }),
    graph.mail(MAILBOX, { text, fields: { ...mailFields(text), body: htmlOf(text) } }),
    graph.chat(chat, { text, fields: chatFields(text) }),
  ];
  const rich = graph.chat(chat, { text, fields: chatFields(text) });
  const bodyOf = (id: string) => graph.find((body) => body.id === id);
  const said = (
    subscription: GraphSubscription,
    resource: string,
    more: object = {},
  ): [GraphSubscription, GraphItem] => {
    const { id, clientState = '', expiresAt } = subscription;
    const common = { subscriptionId: id, tenantId: graph.tenantId, clientState, resource, expiresAt };
    const item = graphItem({ ...common, id: text });
    const data = { ...(item.resourceData as object), '@odata.etag': text, ...wordsOf(text) };
    return [subscription, { ...item, resourceData: data, note: text, [text]: wordsOf(text), ...more }];
  };
  const encrypted = (id: string) => ({
    encryptedContent: encryptGraphContent(bodyOf(id), certificate.publicKey, CERTIFICATE),
  });
  const richMail = { ...bodyOf(fetched[0] ?? ''), id: `AAkALgRich${n}=` };
  const mails = `Users/${MAILBOX}/Messages`;
  return [
    ...fetched.slice(0, 2).map((id) => said(mailbox, `${mails}/${id}`)),
    said(chats, `chats('${chat}')/messages('${fetched[2]}')`),
    said(chats, `chats('${chat}')/messages('${rich}')`, encrypted(rich)),
    said(mailbox, `${mails}/${richMail.id}`, {
      encryptedContent: encryptGraphContent(richMail, certificate.publicKey, CERTIFICATE),
    }),
    // An id that is a secret must not become a name.
    ...(text.includes(` ${core} `) ? [said(mailbox, `${mails}/${core}`)] : []),
  ];
}

async function deliver(
  world: CanaryWorld,
  graph: GraphServer,
  secret: SampleSecret,
  n: number,
): Promise<Record<string, string>> {
  const tokens = [signGraphToken({ ...graph, at: Date.now() })];
  const all = notifications(graph, secret, n);
  for (const subscription of new Set(all.map(([one]) => one))) {
    const items = all.flatMap(([one, item]) => (one === subscription ? [item] : []));
    const { notificationUrl } = subscription;
    const request = graphDelivery(items, tokens);
    const { status, outcome } = await world.post(new URL(notificationUrl).pathname, request);
    expect([status, outcome]).toEqual([202, 'accepted']);
  }
  const { data = '', dataKey = '' } =
    all.flatMap(([, { encryptedContent }]) =>
      encryptedContent === undefined ? [] : [encryptedContent as Record<string, string>],
    )[0] ?? {};
  const clientState = all[0]?.[0].clientState ?? '';
  return { clientState, 'validation token': tokens[0] ?? '', ciphertext: data.slice(0, 60), 'data key': dataKey };
}

describe('secrets of every kind in every field of Graph’s notifications, mails and Teams messages', () => {
  test(
    'none is in the store, the logs, the metrics, the command line or a reply',
    async () => {
      let replies = 0;
      const graph = await startGraphServer({
        // Our own notifications say more than Graph's do.
        disturb: () => ({ copies: 0 }),
        fault: ({ method, path }) => {
          if (method !== 'POST' || !path.endsWith('/reply')) return undefined;
          replies += 1;
          if (replies % 10 === 3) return { kind: 'status', status: 503 };
          return replies % 10 === 7 ? { kind: 'status', status: 400 } : undefined;
        },
      });
      onTestFinished(() => graph.stop());
      const world = await openCanary({
        publicUrlIn: ['SALLYPORT_PUBLIC_URL'],
        environment: {
          GRAPH_TENANT_ID: graph.tenantId,
          GRAPH_CLIENT_ID: graph.clientId,
          GRAPH_CLIENT_SECRET: graph.clientSecret,
          GRAPH_SUBSCRIPTIONS: `users/${MAILBOX}/messages,chats/getAllMessages`,
          GRAPH_ENCRYPTION_CERT: certificate.certificate,
          GRAPH_ENCRYPTION_KEY: certificate.privateKey,
          GRAPH_ENCRYPTION_KEY_ID: CERTIFICATE,
          GRAPH_BASE_URL: graph.url,
          GRAPH_AUTHORITY_URL: graph.url,
          GRAPH_JWKS_URL: graph.jwksUrl,
        },
      });
      await until('both subscriptions are made', () => graph.subscriptions().length >= 2);
      let proofs: Record<string, string> = {};
      for (const [index, secret] of secrets.entries()) {
        proofs = await deliver(world, graph, secret, index);
        if (index === 20) await world.crash();
      }
      const states = await world.settled();
      expect(states.size).toBeGreaterThanOrEqual(secrets.length * 4);
      const places = new Map(await world.places());
      expect(JSON.stringify(graph.replies).match(/\[secret:/g)?.length).toBeGreaterThan(secrets.length);
      places.set('replies', Buffer.from(JSON.stringify(graph.replies.map(({ text, message }) => [text, message]))));
      expect(leaks(secrets, places)).toEqual([]);
      const ours = { 'our token': 'graph-token-', 'our secret': graph.clientSecret, 'our key': 'BEGIN PRIVATE KEY' };
      expect(holds(places, { ...proofs, ...ours })).toEqual([]);
    },
    CAMPAIGN_MS,
  );
});
