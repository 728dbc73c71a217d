import { describe, expect, it } from 'vitest';
import { matchPolicy } from '../../../src/channels/slack/receive/relevance.ts';
import { slackForm, slackInteraction, slackJson } from '../../../src/testing/slack/signer.ts';
import { envelope, said } from '../../fixtures/slack-kinds.ts';
import { outcomeOf, receive, slackChannel } from './slack-harness.ts';

type Overrides = Parameters<typeof slackChannel>[0];
const eventFate = (inner: object, overrides: Overrides = {}, outer: object = {}) =>
  outcomeOf(receive(slackJson(envelope(inner, outer)), slackChannel(overrides)));

const here = { tenant: 'acme', appId: 'A0OURS' };
const workspace = { ...here, teamId: 'T0HOME', botUserId: 'U0BOT', botId: 'B0OURS' };

describe('mentions', () => {
  const mentioned = (text: string, overrides: Overrides = {}, outer: object = {}) =>
    receive(slackJson(envelope(said({ text }), outer)), slackChannel(overrides)).events[0]?.event.mentioned;

  it.each([
    ['<@U0BOT> hi', true],
    ['hi <@U0BOT|sally>', true],
    ['<@U0BOTTOM> hi', false],
    ['U0BOT hi', false],
    ['hi', false],
  ])('%j names our bot: %s', (text, expected) => {
    expect(mentioned(text)).toBe(expected);
  });

  it('the installation knows our bot where the authorization is for a user', () => {
    const outer = { authorizations: [{ team_id: 'T0HOME', user_id: 'U0ALICE', is_bot: false }] };
    expect(mentioned('<@U0BOT> hi', {}, outer)).toBe(false);
    expect(mentioned('<@U0BOT> hi', { installations: [workspace] }, outer)).toBe(true);
  });

  it('a bot user nobody told us is only mentioned by app_mention', () => {
    const outer = { authorizations: undefined };
    expect(mentioned('<@U0BOT> hi', {}, outer)).toBe(false);
    const [twin] = receive(slackJson(envelope(said({ type: 'app_mention', text: '<@U0BOT> hi' }), outer))).events;
    expect(twin?.event).toMatchObject({ kind: 'message', mentioned: true });
  });
});

describe('the match policy', () => {
  const mentionsOnly = { match: matchPolicy({ mentionsOnly: true }) };

  it.each([
    ['an ordinary message', said(), 'ignored: no_agent'],
    ['a message naming the bot', said({ text: '<@U0BOT> hi' }), 'accepted message'],
    ['an app_mention', said({ type: 'app_mention' }), 'accepted message'],
    ['a direct message', said({ channel: 'D0ALICE', channel_type: 'im' }), 'accepted message'],
    ['a group direct message', said({ channel: 'G0GROUP', channel_type: 'mpim' }), 'ignored: no_agent'],
  ])('mentionsOnly: %s', (_, inner, outcome) => {
    expect(eventFate(inner, mentionsOnly)).toBe(outcome);
  });

  it('mentionsOnly leaves what users press alone', () => {
    const fields = { command: '/ask', user_id: 'U0ALICE', channel_id: 'C0GENERAL', trigger_id: '1.2.3' };
    expect(outcomeOf(receive(slackForm(fields), slackChannel(mentionsOnly)))).toBe('accepted command');
  });

  const reaction = { type: 'reaction_added', user: 'U0ALICE', item: { channel: 'C0GENERAL', ts: '1.1' } };

  it('listed event types are for agents, under their own name', () => {
    const match = matchPolicy({ eventTypes: ['reaction_added', 'team_join', 'member_joined_channel'] });
    expect(eventFate(reaction, { match })).toBe('accepted reaction_added');
    expect(eventFate({ type: 'reaction_removed', user: 'U0ALICE' }, { match })).toBe('ignored: no_agent');
    expect(eventFate({ ...reaction, user: 'U0BOT' }, { match })).toBe('ignored: own_message');
    expect(eventFate({ type: 'team_join', user: { id: 'U0NEW' } }, { match })).toBe('accepted team_join');
    const joined = { type: 'member_joined_channel', user: 'U0BOT', channel: 'C0GENERAL' };
    expect(eventFate(joined, { match })).toBe('accepted member_joined_channel');
  });

  it.each([
    ['its channel', reaction, 'C0GENERAL'],
    ['the channel it is about', { type: 'x', channel: { id: 'C0NEW' }, user: 'U0ALICE' }, 'C0NEW'],
    ['else its user', { type: 'x', user: { id: 'U0ALICE' } }, 'U0ALICE'],
    ['else its workspace', { type: 'x' }, 'T0HOME'],
  ])('the conversation of another event is %s', (_, inner, name) => {
    const received = receive(slackJson(envelope(inner)), slackChannel({ match: () => true }));
    expect(received.events[0]?.event.conversation.name).toBe(name);
  });

  it('another event without an event_id is unprocessable, because nothing else names it', () => {
    expect(eventFate(reaction, { match: () => true }, { event_id: null })).toBe('ignored: unprocessable');
  });
});

describe('other bots', () => {
  const bot = said({ user: 'U0OTHER', bot_id: 'B0OTHER', bot_profile: { id: 'B0OTHER', app_id: 'A0OTHER' } });

  it.each([
    [[], 'ignored: bot_message'],
    [['B0OTHER'], 'accepted message'],
    [['A0OTHER'], 'accepted message'],
    [['B0ELSE'], 'ignored: bot_message'],
  ])('with %j allowed: %s', (allowBots, outcome) => {
    expect(eventFate(bot, { allowBots })).toBe(outcome);
    expect(eventFate({ ...bot, subtype: 'bot_message', user: undefined }, { allowBots })).toBe(outcome);
  });

  it('that are allowed are named as apps', () => {
    const { events } = receive(slackJson(envelope(bot)), slackChannel({ allowBots: ['B0OTHER'] }));
    expect(events[0]?.event.author).toEqual({ id: 'B0OTHER', kind: 'app' });
  });

  it('never include ourselves, whatever is allowed', () => {
    const own = { ...bot, bot_id: 'B0OURS', bot_profile: { id: 'B0OURS', app_id: 'A0OURS' } };
    const overrides = { allowBots: ['B0OURS', 'A0OURS', 'U0BOT'], installations: [workspace] };
    expect(eventFate(own, overrides)).toBe('ignored: own_message');
    expect(eventFate(said({ bot_id: 'B0OURS' }), overrides)).toBe('ignored: own_message');
    expect(eventFate(said({ user: 'U0BOT' }), overrides)).toBe('ignored: own_message');
  });
});

describe('installations', () => {
  const org = { ...here, enterpriseId: 'E0ORG' };
  const authorized = (more: object) => ({ authorizations: [{ is_bot: true, user_id: 'U0BOT', ...more }] });
  const orgWide = authorized({ team_id: null, enterprise_id: 'E0ORG', is_enterprise_install: true });

  it.each([
    ['a known workspace', [workspace], {}, 'accepted message'],
    ['no workspace at all', [], {}, 'ignored: unknown_workspace'],
    ['another workspace', [{ ...workspace, teamId: 'T0ELSE' }], {}, 'ignored: unknown_workspace'],
    ['another app', [{ ...workspace, appId: 'A0ELSE' }], {}, 'ignored: unknown_workspace'],
    ["another tenant's workspace", [{ ...workspace, tenant: 'rival' }], {}, 'ignored: other_tenant'],
    ["the sender's company in a shared channel", [workspace], { team_id: 'T0THEIRS' }, 'accepted message'],
    ['only the sender is known', [workspace], authorized({ team_id: 'T0THEIRS' }), 'ignored: unknown_workspace'],
    ['an organisation-wide installation', [org], orgWide, 'accepted message'],
    [
      'an organisation that installed only a workspace',
      [org],
      authorized({ enterprise_id: 'E0ORG', team_id: 'T0HOME' }),
      'ignored: unknown_workspace',
    ],
    ['no authorization', [workspace], { authorizations: [] }, 'accepted message'],
    ['an authorization without a team', [workspace], authorized({ team_id: null }), 'accepted message'],
  ])('%s', (_, installations, outer, outcome) => {
    expect(eventFate(said(), { installations }, outer)).toBe(outcome);
  });

  const press = { type: 'shortcut', api_app_id: 'A0OURS', callback_id: 'c', trigger_id: '1.2.3' };
  const view = { id: 'V0MODAL', hash: '1.a', app_installed_team_id: 'T0HOME' };

  it.each([
    ['team.id', { team: { id: 'T0HOME' }, user: { id: 'U0ALICE', team_id: 'T0THEIRS' } }],
    ['user.team_id without a team', { team: null, user: { id: 'U0ALICE', team_id: 'T0HOME' } }],
    [
      'view.app_installed_team_id before both',
      { team: { id: 'T0THEIRS' }, user: { id: 'U0ALICE' }, type: 'view_closed', view },
    ],
    ['no app id', { team: { id: 'T0HOME' }, user: { id: 'U0ALICE' }, api_app_id: undefined }],
  ])('interactions map by %s', (_, more) => {
    const received = receive(slackInteraction({ ...press, ...more }), slackChannel({ installations: [workspace] }));
    expect(outcomeOf(received)).toMatch(/^accepted/);
  });

  it('interactions of an organisation map by its id', () => {
    const payload = { ...press, team: null, user: { id: 'U0ALICE', team_id: 'T0HOME' }, enterprise: { id: 'E0ORG' } };
    const mapped = (more: object) =>
      outcomeOf(receive(slackInteraction({ ...payload, ...more }), slackChannel({ installations: [org] })));
    expect(mapped({ is_enterprise_install: true })).toBe('accepted shortcut');
    expect(mapped({ is_enterprise_install: false })).toBe('ignored: unknown_workspace');
  });

  it("commands say 'true' as a word", () => {
    const fields = { ...here, command: '/ask', user_id: 'U0ALICE', channel_id: 'C0GENERAL', trigger_id: '1.2.3' };
    const mapped = (is_enterprise_install: string) =>
      outcomeOf(
        receive(
          slackForm({
            ...fields,
            team_id: 'T0ELSE',
            enterprise_id: 'E0ORG',
            api_app_id: 'A0OURS',
            is_enterprise_install,
          }),
          slackChannel({ installations: [org] }),
        ),
      );
    expect(mapped('true')).toBe('accepted command');
    expect(mapped('false')).toBe('ignored: unknown_workspace');
  });
});

describe('the answers', () => {
  it.each([
    ['ERR_METHOD_NOT_ALLOWED', 405, { allow: 'POST' }],
    ['ERR_UNKNOWN_ROUTE', 404, undefined],
    ['ERR_SIGNATURE_MISSING', 401, undefined],
    ['ERR_SIGNATURE_MALFORMED', 401, undefined],
    ['ERR_SIGNATURE_MISMATCH', 401, undefined],
    ['ERR_TIMESTAMP_MALFORMED', 401, undefined],
    ['ERR_TIMESTAMP_OUTSIDE_TOLERANCE', 401, undefined],
    ['ERR_BODY_UNPARSABLE', 400, { 'x-slack-no-retry': '1' }],
    ['ERR_BODY_TOO_LARGE', 413, { 'x-slack-no-retry': '1' }],
    ['ERR_BODY_TIMEOUT', 408, undefined],
    ['ERR_RATE_LIMITED', 429, { 'retry-after': '5' }],
    ['ERR_STORE_UNAVAILABLE', 503, { 'retry-after': '5' }],
    ['ERR_REPLICAS_MISSING', 503, { 'retry-after': '5' }],
    ['ERR_QUEUE_FULL', 503, { 'retry-after': '5' }],
    ['ERR_SHUTTING_DOWN', 503, { 'retry-after': '5' }],
    ['ERR_INTERNAL', 503, { 'retry-after': '5' }],
  ] as const)('%s is %i', (code, status, headers) => {
    expect(slackChannel().refuse?.(code)).toEqual({ status, ...(headers && { headers }) });
  });

  it('an acknowledgement is empty', () => {
    expect(slackChannel().acknowledge(['accepted'])).toEqual({ status: 200 });
  });
});
