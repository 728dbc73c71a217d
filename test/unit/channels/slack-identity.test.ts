import { describe, expect, it } from 'vitest';
import type { ParsedEvent } from '../../../src/channels/channel.ts';
import { slackForm, slackInteraction, slackJson } from '../../../src/testing/slack/signer.ts';
import { envelope, said } from '../../fixtures/slack-kinds.ts';
import { conflicts, others, original as sent, twins } from '../../fixtures/slack-twins.ts';
import { receive, signed, slackChannel } from './slack-harness.ts';

function only(received: ReturnType<typeof receive>): ParsedEvent {
  const [first, ...rest] = received.events;
  if (first === undefined || rest.length > 0) throw new Error('expected exactly one event');
  return first;
}

const event = (payload: object) => only(receive(slackJson(payload))).event;
const message = (inner: object = {}, outer: object = {}) => event(envelope(said(inner), outer));
const interaction = (payload: object) => only(receive(slackInteraction(payload))).event;
const command = (fields: Record<string, string>) => only(receive(slackForm(fields))).event;

describe('the identity of a message', () => {
  const original = event(sent);

  it.each(twins)('%s has the same key and fingerprint', (_, payload) => {
    const twin = event(payload);
    expect(twin.identity).toEqual(original.identity);
    expect(twin.id).not.toBe(original.id);
  });

  it('a reply and its broadcast to the channel are one', () => {
    const reply = { thread_ts: '1699999999.000001' };
    expect(message({ ...reply, subtype: 'thread_broadcast' }).identity).toEqual(message(reply).identity);
  });

  it.each(others)('%s has another key', (_, payload) => {
    const other = event(payload);
    expect(other.identity.key).not.toBe(original.identity.key);
  });

  it('the same message at another tenant has another key and conversation', () => {
    const body = slackJson(envelope(said()));
    const elsewhere = slackChannel().receive({ ...signed(body), tenant: 'rival' });
    if (elsewhere instanceof Promise) throw new Error('receive is synchronous');
    expect(only(elsewhere).event.identity.key).not.toBe(original.identity.key);
    expect(only(elsewhere).event.conversation.key).not.toBe(original.conversation.key);
  });

  it.each(conflicts)('%s under the same key is a conflict', (_, payload) => {
    const forged = event(payload);
    expect(forged.identity.key).toBe(original.identity.key);
    expect(forged.identity.fingerprint).not.toBe(original.identity.fingerprint);
  });

  it('is remembered for the events window, a command for the other', () => {
    const pressed = command({ command: '/ask', user_id: 'U0ALICE', channel_id: 'C0GENERAL', trigger_id: '1.2.3' });
    expect([original.windowMs, pressed.windowMs]).toEqual([72 * 3_600_000, 3_600_000]);
  });
});

describe('the identity of what users press', () => {
  const fields = { command: '/ask', user_id: 'U0ALICE', channel_id: 'C0GENERAL', text: 'a', api_app_id: 'A0OURS' };
  const base = { user: { id: 'U0ALICE' }, team: { id: 'T0HOME' }, api_app_id: 'A0OURS' };
  const press = {
    ...base,
    type: 'block_actions',
    container: { channel_id: 'C0GENERAL', message_ts: '1700000000.000100' },
    actions: [{ action_id: 'approve', action_ts: '1700000001.000001', value: 'yes' }],
  };
  const view = { ...base, view: { id: 'V0MODAL', hash: '1.a', state: {} } };

  it('a command is its trigger, or else its response_url', () => {
    const first = command({ ...fields, trigger_id: '1.2.3', response_url: 'https://hooks.slack.com/a' });
    const again = command({ ...fields, trigger_id: '1.2.3', response_url: 'https://hooks.slack.com/b' });
    const other = command({ ...fields, trigger_id: '1.2.4' });
    const bare = command({ ...fields, response_url: 'https://hooks.slack.com/a' });
    expect(again.identity).toEqual(first.identity);
    expect(new Set([first, other, bare].map(({ identity }) => identity.key)).size).toBe(3);
    expect(command({ ...fields, response_url: 'https://hooks.slack.com/a' }).identity).toEqual(bare.identity);
  });

  it('a command without either is unprocessable', () => {
    expect(receive(slackForm(fields)).refused).toEqual([{ outcome: 'ignored', reason: 'unprocessable' }]);
  });

  it('an action without a trigger is its place, name, moment and user', () => {
    const again = interaction({ ...press, token: 'another' });
    const bob = interaction({ ...press, user: { id: 'U0BOB' } });
    const later = interaction({ ...press, actions: [{ action_id: 'approve', action_ts: '1700000001.000002' }] });
    expect(again.identity).toEqual(interaction(press).identity);
    expect(new Set([again, bob, later].map(({ identity }) => identity.key)).size).toBe(3);
  });

  it('submitting and closing the same view are two', () => {
    const submitted = interaction({ ...view, type: 'view_submission' });
    const closed = interaction({ ...view, type: 'view_closed' });
    expect(submitted.identity.key).not.toBe(closed.identity.key);
    expect(interaction({ ...view, type: 'view_closed', trigger_id: '1.2.3' }).identity).toEqual(closed.identity);
  });

  it('two ways of pressing with one trigger are two', () => {
    const triggered = { ...base, trigger_id: '1.2.3', callback_id: 'c' };
    const [global, onMessage] = ['shortcut', 'message_action'].map((type) => interaction({ ...triggered, type }));
    expect(global?.identity.key).not.toBe(onMessage?.identity.key);
  });

  it.each([
    ['an action of no message and no view', { ...press, container: {} }],
    ['an action without a moment', { ...press, actions: [{ action_id: 'approve' }] }],
    ['an action list without actions', { ...press, actions: [] }],
    ['a view without a hash', { ...view, type: 'view_closed', view: { id: 'V0MODAL' } }],
    ['no user', { ...press, user: null }],
  ])('%s is unprocessable', (_, payload) => {
    expect(receive(slackInteraction(payload)).refused).toEqual([{ outcome: 'ignored', reason: 'unprocessable' }]);
  });

  it('without an app id the configured name stands in, stably', () => {
    const { api_app_id, ...legacy } = press;
    expect(interaction(legacy).identity).toEqual(interaction({ ...legacy, api_app_id: '' }).identity);
    expect(interaction(legacy).identity.key).not.toBe(interaction({ ...legacy, api_app_id }).identity.key);
  });
});

describe('what an event carries', () => {
  it.each([
    ['a channel message is answered in its thread', {}, { channel: 'C0GENERAL', thread: '1700000000.000100' }],
    [
      'a reply is answered in its thread',
      { ts: '1700000009.000001', thread_ts: '1700000000.000100' },
      { channel: 'C0GENERAL', thread: '1700000000.000100' },
    ],
    ['a direct message is answered beside it', { channel: 'D0ALICE' }, { channel: 'D0ALICE' }],
    [
      'a thread in a direct message is answered there',
      { channel: 'D0ALICE', thread_ts: '1699999999.000001' },
      { channel: 'D0ALICE', thread: '1699999999.000001' },
    ],
  ])('%s', (_, inner, destination) => {
    expect(message(inner).destination).toEqual({ via: 'message', workspace: 'T0HOME', app: 'A0OURS', ...destination });
  });

  it('a response_url and a trigger_id are capabilities, and in no other place', () => {
    const url = 'https://hooks.slack.com/commands/T0HOME/1/abc';
    const fields = { command: '/ask', user_id: 'U0ALICE', channel_id: 'C0GENERAL', trigger_id: '1.2.3' };
    const { event, capabilities } = only(receive(slackForm({ ...fields, response_url: url, token: 'xyz' })));
    expect(capabilities).toEqual({ response_url: url, trigger_id: '1.2.3' });
    expect(event.destination).toMatchObject({ via: 'response_url' });
    expect(event.payload).toEqual({ command: '/ask', user_id: 'U0ALICE', channel_id: 'C0GENERAL' });
  });

  it.each([
    'https://HOOKS.Slack.com/commands/T0HOME/1/abc',
    'https:\\/\\/hooks.slack.com\\/actions\\/T0HOME\\/1\\/abc',
  ])('an answering address that an app put away is taken out however it is written: %s', (url) => {
    const view = { id: 'V0MODAL', hash: '1.a', private_metadata: `{"url":"${url}","n":1}`, list: [`see ${url}`] };
    const { event } = only(receive(slackInteraction({ type: 'view_submission', user: { id: 'U0ALICE' }, view })));
    expect(JSON.stringify(event.payload)).not.toMatch(/T0HOME/);
  });

  it("the URL for answering a view's chosen channel is a capability too", () => {
    const { capabilities, event } = only(
      receive(
        slackInteraction({
          type: 'view_submission',
          user: { id: 'U0ALICE' },
          view: { id: 'V0MODAL', hash: '1.a' },
          response_urls: [{ channel_id: 'C0GENERAL', response_url: 'https://hooks.slack.com/app/T0/1/x' }],
        }),
      ),
    );
    expect(capabilities).toEqual({ response_url: 'https://hooks.slack.com/app/T0/1/x' });
    expect(JSON.stringify(event.payload)).not.toContain('hooks.slack');
  });

  it("keeps a form field that happens to be called 'token'", () => {
    const state = { values: { token: { value: { type: 'plain_text_input', value: 'blue' } } } };
    const payload = { type: 'view_submission', user: { id: 'U0ALICE' }, view: { id: 'V0MODAL', hash: '1.a', state } };
    expect(interaction(payload)).toMatchObject({ text: 'blue', payload: { view: { state } } });
  });

  it.each([
    [{ value: 'yes' }, 'yes'],
    [{ selected_option: { value: 'one' } }, 'one'],
    [{ selected_options: [{ value: 'one' }, { value: 'two' }] }, 'one\ntwo'],
    [{}, ''],
  ])('the action %j reads %j', (action, text) => {
    const actions = [{ action_id: 'a', action_ts: '1700000001.000001', ...action }];
    const base = { type: 'block_actions', user: { id: 'U0ALICE' }, trigger_id: '1.2.3' };
    expect(interaction({ ...base, actions }).text).toBe(text);
  });
});
