import { afterEach, describe, expect, it } from 'vitest';
import { graphDelivery, graphItem } from '../../../src/testing/graph/signer.ts';
import type { Agent } from '../../../src/workers/agent.ts';
import { CLIENT_STATE, type GraphGate, type GraphGateOptions, openGraphGate } from '../../support/graph-gate.ts';
import { htmlSample, htmlSampleText } from '../../support/html-sample.ts';

/** Notifications are hints: what an agent sees was fetched, and what nobody should answer is ignored. */

const MAILBOX = 'users/agent@example.com/messages';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let gate: GraphGate;
let seen: { text: string; author: string; payload: unknown; authorName: unknown; attachments: unknown }[] = [];
afterEach(() => gate.stop());

/** Remembers what it was asked and says nothing, so that nothing is answered. */
const listener: Agent = {
  name: 'listener',
  async run({ event }) {
    const { text, authorName, attachments } = event;
    seen.push({ text, author: event.author.id, payload: event.payload, authorName, attachments });
    return { kind: 'silent', usage: { usdMicros: 0, inputTokens: 0, outputTokens: 0, modelCalls: 0, toolCalls: 0 } };
  },
};

const open = async (options: GraphGateOptions = {}): Promise<void> => {
  seen = [];
  gate = await openGraphGate({ agent: listener, keep: [MAILBOX], ...options });
  await gate.keep();
};

/** Lets Graph tell what it has to tell, and the worker do it. */
const settle = async (): Promise<void> => {
  await gate.graph.pushes.deliver();
  await gate.work();
};

const outcomes = async (): Promise<string[]> =>
  (await gate.events()).map(({ state, runs, failure }) => [state, failure?.code ?? runs.at(-1)?.outcome].join(' '));

describe('mail', () => {
  it('is fetched under ids that do not change, as text, and only then shown to the agent', async () => {
    await open();
    const id = gate.graph.mail('agent@example.com', { text: 'please help', subject: 'Printer', from: 'a@example.com' });
    await settle();
    expect(seen).toMatchObject([{ text: 'Printer\n\nplease help', author: 'a@example.com', payload: { id } }]);
    const fetched = gate.graph.calls.find(({ path }) => path.includes('/messages/'));
    expect(fetched?.headers.get('prefer')).toBe('IdType="ImmutableId", outlook.body-content-type="text"');
  });

  it('is shown with the name of its sender', async () => {
    await open();
    const from = { emailAddress: { address: 'a@example.com', name: 'Ada Lovelace' } };
    gate.graph.mail('agent@example.com', { text: 'x', fields: { from } });
    await settle();
    expect(seen).toMatchObject([{ author: 'a@example.com', authorName: 'Ada Lovelace' }]);
    expect(JSON.stringify((await gate.events()).map(({ event }) => event))).not.toContain('Lovelace');
  });

  it('is shown with what came with it, and the content of short texts without their secrets', async () => {
    await open();
    const secret = `ghp_${'a1B2c3D4e5F6'.repeat(3)}`;
    const file = (id: string, name: string, contentType: string, content: string, more = {}) => {
      const contentBytes = Buffer.from(content).toString('base64');
      return { id, name, contentType, size: content.length, isInline: false, contentBytes, ...more };
    };
    const attachments = [
      file('a=', 'notes.txt', 'text/plain', `the key is ${secret}`),
      file('b', 'plan.pdf', 'application/pdf', '%PDF'),
      file('c', 'big.log', 'text/plain', 'x'.repeat(64 * 1024 + 1)),
      file('d', 'logo.png', 'image/png', 'PNG', { isInline: true }),
    ];
    gate.graph.mail('agent@example.com', { text: 'see these', fields: { hasAttachments: true, attachments } });
    await settle();
    expect(seen).toMatchObject([
      {
        attachments: [
          { name: 'notes.txt', type: 'text/plain', text: expect.stringContaining('the key is [secret:') },
          { name: 'plan.pdf', type: 'application/pdf', size: 4 },
          { name: 'big.log', type: 'text/plain', size: 65_537 },
        ],
      },
    ]);
    expect(JSON.stringify(seen)).not.toContain(secret);
    expect(JSON.stringify(await gate.events())).not.toContain('the key is');
    expect(gate.graph.calls.filter(({ path }) => path.includes('/attachments/'))).toHaveLength(1);
  });

  it('whose attachments cannot be read now is tried again', async () => {
    let isAway = true;
    const fault = ({ path }: { path: string }) =>
      isAway && path.includes('/attachments') ? ({ kind: 'status', status: 503 } as const) : undefined;
    await open({ graph: { fault } });
    const attachments = [{ id: 'a', name: 'notes.txt', contentType: 'text/plain', size: 2, contentBytes: 'aGk=' }];
    gate.graph.mail('agent@example.com', { text: 'x', fields: { hasAttachments: true, attachments } });
    await settle();
    expect(seen).toEqual([]);
    isAway = false;
    gate.clock.advance(60_000);
    await gate.work();
    expect(seen).toMatchObject([{ attachments: [{ text: 'hi' }] }]);
  });

  it('runs once for everything Graph tells of it: created, updated, overlapping subscriptions, days later', async () => {
    await open({ keep: [MAILBOX, "users/agent@example.com/mailFolders('inbox')/messages"] });
    const id = gate.graph.mail('agent@example.com', { text: 'once' });
    await settle();
    for (let day = 0; day < 30; day += 1) {
      gate.clock.advance(DAY_MS);
      await gate.keep();
      gate.graph.touch(`users/agent@example.com/messages/${id}`);
      await settle();
    }
    expect(seen).toHaveLength(1);
    expect((await gate.events()).filter(({ event }) => event.kind === 'message')).toHaveLength(1);
  });

  it('from before the subscription is ignored when it changes', async () => {
    await open();
    const id = gate.graph.mail('agent@example.com', { text: 'old', at: gate.clock.now() - 1 });
    gate.graph.touch(`users/agent@example.com/messages/${id}`);
    await settle();
    expect(await outcomes()).toEqual(['ignored ignored']);
  });

  it('older than 30 days is ignored, however long the subscription has been there', async () => {
    await open({ limits: { maxAgeMs: 100 * DAY_MS } });
    gate.graph.mail('agent@example.com', { text: 'forgotten' });
    await gate.graph.pushes.deliver();
    gate.clock.advance(31 * DAY_MS);
    await gate.work();
    expect(await outcomes()).toEqual(['ignored ignored']);
  });

  it.each<[string, object]>([
    ['a draft', { isDraft: true }],
    ['sent by the mailbox itself', { from: { emailAddress: { address: 'Agent@Example.com' } } }],
    ['our own reply come back', { internetMessageHeaders: [{ name: 'X-Sallyport-Reply', value: 'ev_1' }] }],
    ['an automatic answer', { internetMessageHeaders: [{ name: 'Auto-Submitted', value: 'auto-replied' }] }],
    ['from a mailing list', { internetMessageHeaders: [{ name: 'Precedence', value: 'List' }] }],
  ])('that is %s is ignored', async (_, fields) => {
    await open();
    gate.graph.mail('agent@example.com', { text: 'x', fields });
    await settle();
    expect(await outcomes()).toEqual(['ignored ignored']);
  });

  it('that says it is not automatic is read', async () => {
    await open();
    const fields = { internetMessageHeaders: [{ name: 'Auto-Submitted', value: 'no' }] };
    gate.graph.mail('agent@example.com', { text: 'x', fields });
    await settle();
    expect(seen).toHaveLength(1);
  });

  it('is scrubbed after it was fetched, before the agent sees it', async () => {
    await open();
    const secret = `ghp_${'a1B2c3D4e5F6'.repeat(3)}`;
    gate.graph.mail('agent@example.com', { text: `my token is ${secret}`, subject: secret });
    await settle();
    expect(seen).toHaveLength(1);
    expect(JSON.stringify(seen)).not.toContain(secret);
  });

  it('in HTML becomes what a person reads of it', async () => {
    await open();
    const html =
      '<html><head><style>p{}</style></head><body><p>Hi&nbsp;<b>there</b></p><p>5 &lt; 6</p><script>x()</script>';
    gate.graph.mail('agent@example.com', { text: '', fields: { body: { contentType: 'html', content: html } } });
    await settle();
    gate.graph.mail('agent@example.com', { text: '', fields: { body: { contentType: 'html', content: htmlSample } } });
    await settle();
    expect(seen.map(({ text }) => text)).toEqual(['Hello\n\nHi there\n\n5 < 6', `Hello\n\n${htmlSampleText}`]);
  });

  it('that is gone is ignored, after it had a moment to appear', async () => {
    await open();
    const id = gate.graph.mail('agent@example.com', { text: 'x' });
    gate.graph.remove(`users/agent@example.com/messages/${id}`);
    await settle();
    expect(await outcomes()).toEqual(['waiting retry']);
    gate.clock.advance(5_000);
    await gate.work();
    expect(await outcomes()).toEqual(['ignored ignored']);
  });

  it('told of under an id that changes runs once with the subscription that tells the lasting one', async () => {
    await open();
    const id = gate.graph.mail('agent@example.com', { text: 'moved' });
    const user = gate.graph.calls.length;
    expect(user).toBeGreaterThan(0);
    const mailbox = await mailboxId();
    gate.graph.alias(`users/${mailbox}/messages/changing-id`, `users/${mailbox}/messages/${id}`);
    const resource = `Users/${mailbox}/Messages/changing-id`;
    const { tenantId } = gate.graph;
    await gate.post('', graphDelivery([graphItem({ tenantId, clientState: CLIENT_STATE, resource })]));
    await gate.work();
    await settle();
    expect(seen).toHaveLength(1);
  });

  const mailboxId = async (): Promise<string> => {
    await gate.keep();
    return [...(await gate.kept.list()).values()][0]?.mailbox ?? '';
  };
});

describe('mail of a subscription made by hand', () => {
  const tell = async (id: string): Promise<void> => {
    const { tenantId } = gate.graph;
    const resource = `Users/agent@example.com/Messages/${id}`;
    await gate.post(
      '',
      graphDelivery([graphItem({ tenantId, clientState: CLIENT_STATE, resource, subscriptionId: 'by-hand' })]),
    );
    await gate.work();
  };

  it('is read when it came within the time for which Graph repeats itself, and ignored when it is older', async () => {
    await open({ keep: [] });
    const at = gate.clock.now();
    await tell(gate.graph.mail('agent@example.com', { text: 'delayed', at: at - 4 * HOUR_MS }));
    await tell(gate.graph.mail('agent@example.com', { text: 'old', at: at - 6 * HOUR_MS }));
    gate.clock.advance(10 * DAY_MS);
    // The subscription is known since its first notification, not since this one.
    await tell(gate.graph.mail('agent@example.com', { text: 'later', at: gate.clock.now() - DAY_MS }));
    expect(seen.map(({ text }) => text)).toEqual(['Hello\n\ndelayed', 'Hello\n\nlater']);
  });
});

describe('Teams messages', () => {
  const CHAT = '19:abc_def@unq.gbl.spaces';

  it('of chats and channels, and replies in channels, are fetched and read', async () => {
    await open({ keep: [`chats/${CHAT}/messages`, 'teams/t1/channels/19:general@thread.tacv2/messages'] });
    const reference = {
      id: '1',
      contentType: 'reference',
      contentUrl: 'https://x.example/plan.docx',
      name: 'plan.docx',
    };
    const card = { id: '2', contentType: 'messageReference', content: '{}', name: null };
    const from = { user: { id: 'user-7', displayName: 'Ada Lovelace' } };
    gate.graph.chat(CHAT, { text: 'in a chat', from: 'user-7', fields: { from, attachments: [reference, card] } });
    const root = gate.graph.post('t1', '19:general@thread.tacv2', { text: 'in a channel' });
    gate.graph.post('t1', '19:general@thread.tacv2', { text: 'below it', replyTo: root });
    await settle();
    expect(seen.map(({ text }) => text).toSorted()).toEqual(['below it', 'in a channel', 'in a chat']);
    expect(seen.find(({ text }) => text === 'in a chat')).toMatchObject({
      authorName: 'Ada Lovelace',
      attachments: [{ name: 'plan.docx', type: 'reference' }],
    });
    const names = (await gate.events()).map(({ event }) => event.conversation.name);
    expect(new Set(names)).toEqual(new Set([CHAT, `19:general@thread.tacv2:${root}`]));
  });

  it('in HTML become what a person reads of them', async () => {
    await open({ keep: [`chats/${CHAT}/messages`] });
    gate.graph.chat(CHAT, { text: '', fields: { body: { contentType: 'html', content: htmlSample } } });
    await settle();
    expect(seen.map(({ text }) => text)).toEqual([htmlSampleText]);
  });

  it('seen by a subscription to everything and by one to the chat run once', async () => {
    await open({ keep: ['chats/getAllMessages', `chats/${CHAT}/messages`] });
    gate.graph.chat(CHAT, { text: 'once' });
    await settle();
    expect(seen).toHaveLength(1);
  });

  it('that came encrypted are not fetched at all', async () => {
    await open({ keep: [`chats/${CHAT}/messages`], isRich: true });
    gate.graph.chat(CHAT, { text: 'inside' });
    await settle();
    expect(seen.map(({ text }) => text)).toEqual(['inside']);
    expect(gate.graph.calls.filter(({ path }) => path.startsWith('/chats'))).toEqual([]);
  });

  it.each<[string, object]>([
    ['of an application, ours or another', { from: { application: { id: 'bot' } } }],
    ['of the system', { messageType: 'systemEventMessage' }],
    ['that were deleted', { deletedDateTime: '2030-01-01T00:00:00.000Z' }],
  ])('%s are ignored', async (_, fields) => {
    await open({ keep: [`chats/${CHAT}/messages`] });
    gate.graph.chat(CHAT, { text: 'x', fields });
    await settle();
    expect(await outcomes()).toEqual(['ignored ignored']);
  });
});

describe('Graph', () => {
  it.each<[string, number]>([
    ['throttles', 429],
    ['is down', 503],
    ['has a gateway that gives up', 504],
  ])('that %s (%i) is asked again, no sooner than it says', async (_, status) => {
    let failures = 1;
    const fault = ({ path }: { path: string }) =>
      path.includes('/messages/') && failures-- > 0 ? ({ kind: 'status', status, retryAfter: 17 } as const) : undefined;
    await open({ graph: { fault } });
    gate.graph.mail('agent@example.com', { text: 'patience' });
    await settle();
    expect(await outcomes()).toEqual(['waiting retry']);
    gate.clock.advance(16_999);
    await gate.work();
    expect(seen).toEqual([]);
    gate.clock.advance(1);
    await gate.work();
    expect(seen).toHaveLength(1);
  });

  it('that forbids is not asked again: the event is parked for a person', async () => {
    const fault = ({ path }: { path: string }) =>
      path.includes('/messages/') ? ({ kind: 'status', status: 403 } as const) : undefined;
    await open({ graph: { fault } });
    gate.graph.mail('agent@example.com', { text: 'x' });
    await settle();
    expect(await outcomes()).toEqual(['parked ERR_SOURCE_REJECTED']);
  });

  it('gets a fresh token when the old one was revoked, and the same one until then', async () => {
    await open();
    gate.graph.mail('agent@example.com', { text: 'one' });
    await settle();
    gate.graph.revokeTokens();
    gate.graph.mail('agent@example.com', { text: 'two' });
    await settle();
    gate.clock.advance(1_000);
    await gate.work();
    expect(seen).toHaveLength(2);
    expect(gate.graph.calls.filter(({ path }) => path.endsWith('/token'))).toHaveLength(2);
  });
});
