import { describe, expect, it } from 'vitest';
import { slackInteraction, slackJson } from '../../../src/testing/slack/signer.ts';
import { slackKinds } from '../../fixtures/slack-kinds.ts';
import { samples } from '../../support/needs.ts';
import { outcomeOf, receive } from './slack-harness.ts';

describe('every kind of payload Slack sends', () => {
  it.each(slackKinds.map((kind) => [kind.name, kind] as const))('%s', (_, { body, outcome, conversation }) => {
    const received = receive(body);
    expect(outcomeOf(received)).toBe(outcome);
    if (conversation !== undefined) expect(received.events[0]?.event.conversation.name).toBe(conversation);
  });

  it('leaves no capability in any payload', () => {
    const events = slackKinds.flatMap(({ body }) => receive(body).events);
    const capabilities = /deprecated-token|13345224609|hooks\.slack|xwfp|interactor-secret/;
    expect(JSON.stringify(events.map(({ event }) => event))).not.toMatch(capabilities);
    expect(JSON.stringify(slackKinds.map(({ body }) => decodeURIComponent(String(body.body))))).toMatch(capabilities);
  });
});

/** Written down by reading each payload before the first run, in the order of the file. */
const expected = [
  ['block_actions', 'ignored: unprocessable'], // every id empty
  ['block_actions', 'ignored: unprocessable'],
  ['block_actions', 'accepted action'],
  ['block_actions', 'accepted action'], // home tab: no channel
  ['block_suggestion', 'ignored 200'],
  ['app_mention', 'ignored: own_message'], // the author is the authorized bot user
  ['message', 'ignored: own_message'], // bot_profile.app_id is api_app_id
  ['app_mention', 'accepted message'],
  ['app_mention', 'ignored: bot_message'],
  ['message', 'accepted message'],
  ['app_uninstalled', 'ignored: no_agent'],
  ['tokens_revoked', 'ignored: no_agent'],
  ['tokens_revoked', 'ignored: no_agent'],
  ['shortcut', 'accepted shortcut'],
  ['message_action', 'accepted shortcut'],
  ['function_executed', 'ignored: no_agent'],
  ['block_actions', 'accepted action'], // a workflow step: no trigger_id
  ['view_submission', 'accepted view'], // the same
  ['view_closed', 'accepted view'],
  ['view_submission', 'accepted view'],
  ['block_actions', 'accepted action'],
  ['block_actions', 'accepted action'], // organisation-wide: team is null
  ['app_mention', 'accepted message'],
  ['message', 'accepted message'],
  ['app_mention', 'accepted message'], // Slack Connect, a person
  ['message', 'ignored: own_message'], // Slack Connect, our own app
  ['view_closed', 'accepted view'],
  ['view_closed', 'accepted view'],
  ['view_submission', 'accepted view'],
  ['view_submission', 'accepted view'],
  ['view_submission', 'accepted view'],
  ['view_submission', 'accepted view'],
  ['goodbye', 'ignored: no_agent'],
  ['message', 'ignored: unprocessable'], // nothing but its type
  ['message', 'accepted message'],
  ['block_actions', 'accepted action'],
  ['block_actions', 'accepted action'],
  ['block_actions', 'accepted action'],
  ['block_actions', 'accepted action'],
  ['block_actions', 'accepted action'],
  ['block_actions', 'accepted action'],
  ['block_suggestion', 'ignored 200'],
  ['shortcut', 'accepted shortcut'],
  ['interactive_message', 'accepted action'], // no api_app_id
  ['message_action', 'accepted shortcut'],
  ['message_action', 'accepted shortcut'],
  ['app_home_opened', 'ignored: no_agent'],
  ['view_closed', 'accepted view'],
  ['view_submission', 'accepted view'],
  ['view_submission', 'accepted view'],
  ['view_submission', 'accepted view'],
] as const;

interface Recorded {
  readonly items: readonly { readonly kind: string; readonly inner: string | null; readonly payload: unknown }[];
}

const recorded = samples('fixtures/slack-payloads.json');

recorded.describe('payloads collected from Slack SDKs', () => {
  const items = recorded.json<Recorded>()?.items ?? [];

  it.each(expected.map((row, index) => [index, ...row] as const))('%i: %s is %s', (index, kind, outcome) => {
    const item = items[index];
    expect(item?.inner ?? item?.kind).toBe(kind);
    const wrap = item?.kind === 'event_callback' ? slackJson : slackInteraction;
    expect(outcomeOf(receive(wrap(item?.payload)))).toBe(outcome);
  });

  it('are all in the table', () => {
    expect(items).toHaveLength(expected.length);
  });
});
