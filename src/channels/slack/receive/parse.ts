import type { IdentityPart } from '../../../core/identity.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../core/json/json-text.ts';
import {
  type FindInstallation,
  type SlackInstallation,
  type Workspace,
  workspaceOfCommand,
  workspaceOfEvent,
  workspaceOfInteraction,
} from '../installation.ts';
import {
  type Candidate,
  isDirectChannel,
  type Place,
  placeOfMessage,
  placeOfOther,
  whyRefuseIds,
} from './candidate.ts';
import {
  type Action,
  type Command,
  commandSchema,
  type Envelope,
  envelopeSchema,
  type Interaction,
  interactionSchema,
  type MessageEvent,
  messageSchema,
  type OtherEvent,
  otherEventSchema,
  present,
} from './payload.ts';
import { botOf, type OwnIds, type SlackReason, whyIgnoreMessage, whyIgnoreOther } from './relevance.ts';
import type { SlackBody } from './verify.ts';

/** What an authentic body turned out to be. */
export type Parsed =
  | { readonly kind: 'challenge'; readonly challenge: unknown }
  /** A menu that wants its options in the response. */
  | { readonly kind: 'suggestion' }
  | {
      readonly kind: 'refused';
      readonly reason: SlackReason;
      /** The workspace, where it is one that the configuration does not name. */
      readonly unknown?: string | undefined;
    }
  | {
      readonly kind: 'candidate';
      readonly candidate: Candidate;
      readonly workspace: Workspace;
      /** Whose it is: the route's tenant, or another one of the same app. */
      readonly tenant: string;
      /** The body as sent, capabilities included. */
      readonly payload: JsonObject;
    };

export interface ParseContext {
  readonly tenant: string;
  /** Absent: every workspace that our app's secret vouches for is the tenant's. */
  readonly findInstallation: FindInstallation | undefined;
  /** Other tenants whose deliveries this route takes as well: the same app signs them. */
  readonly sameApp: ReadonlySet<string>;
  readonly allowBots: ReadonlySet<string>;
}

/** Reads a verified body: what it is, whose it is, and whether it could matter. Claims nothing. */
export function parse(body: SlackBody, context: ParseContext): Parsed {
  if (body.kind === 'form') return parseCommand(body.fields, context);
  if (!isJsonObject(body.value)) return refused('unprocessable');
  const payload = body.value;
  const { type } = payload;
  if (type === 'event_callback') return parseEvent(payload, context);
  if (type === 'url_verification') return { kind: 'challenge', challenge: payload.challenge };
  if (type === 'block_suggestion' || type === 'dialog_suggestion') return { kind: 'suggestion' };
  // Bare, not wrapped like other events. Slack drops what is over 30,000 deliveries an hour; this only tells us so.
  if (type === 'app_rate_limited') return refused('app_rate_limited');
  if (typeof type === 'string' && isInteraction(type)) return parseInteraction(payload, context);
  return refused('unknown_type');
}

function parseEvent(payload: JsonObject, context: ParseContext): Parsed {
  const envelope = envelopeSchema.safeParse(payload).data;
  if (envelope === undefined) return refused('unprocessable');
  const workspace = workspaceOfEvent(envelope);
  return settle(payload, workspace, context, (installation) => {
    const authorizedBot = envelope.authorizations?.find((one) => one.is_bot === true)?.user_id;
    const own: OwnIds = {
      appId: workspace.appId ?? installation?.appId,
      botUserId: installation?.botUserId ?? present(authorizedBot),
      botId: installation?.botId,
    };
    return readEvent(envelope, payload.event, own, workspace.installedIn, context.allowBots);
  });
}

function parseCommand(fields: JsonObject, context: ParseContext): Parsed {
  const command = commandSchema.safeParse(fields).data;
  if (command === undefined) return refused('unprocessable');
  return settle(fields, workspaceOfCommand(command), context, () => readCommand(command));
}

function parseInteraction(payload: JsonObject, context: ParseContext): Parsed {
  const interaction = interactionSchema.safeParse(payload).data;
  if (interaction === undefined) return refused('unprocessable');
  const workspace = workspaceOfInteraction(interaction);
  return settle(payload, workspace, context, () => readInteraction(interaction, workspace.installedIn));
}

/** The tenant first: of another tenant's payload nothing is read but whose it is. */
function settle(
  payload: JsonObject,
  workspace: Workspace,
  context: ParseContext,
  read: (installation: SlackInstallation | undefined) => Candidate | SlackReason,
): Parsed {
  const installation = context.findInstallation?.(workspace);
  if (context.findInstallation !== undefined) {
    if (installation === undefined) return refused('unknown_workspace', workspace.installedIn);
    const isOurs = installation.tenant === context.tenant || context.sameApp.has(installation.tenant);
    if (!isOurs) return refused('other_tenant');
  }
  const tenant = installation?.tenant ?? context.tenant;
  const candidate = read(installation);
  if (typeof candidate === 'string') return refused(candidate);
  const reason = whyRefuseIds(candidate, workspace);
  return reason === undefined ? { kind: 'candidate', candidate, workspace, tenant, payload } : refused(reason);
}

const refused = (reason: SlackReason, unknown?: string): Parsed => ({ kind: 'refused', reason, unknown });

/** An Events API delivery as a candidate, or why it is none. `sent` is its event with all it holds. */
function readEvent(
  envelope: Envelope,
  sent: JsonValue | undefined,
  own: OwnIds,
  workspace: string | undefined,
  allowBots: ReadonlySet<string>,
): Candidate | SlackReason {
  const { type } = envelope.event;
  if (type !== 'message' && type !== 'app_mention') return readOther(envelope, sent, own, workspace);
  const event = messageSchema.safeParse(sent).data;
  if (event === undefined) return 'unprocessable';
  return whyIgnoreMessage(event, own, allowBots) ?? readMessage(event, own);
}

/**
 * `message` and `app_mention` are two events about one post. Both become a `message` with the key (app, channel, ts), so
 * that whichever comes first is run.
 */
function readMessage(event: MessageEvent, own: OwnIds): Candidate | SlackReason {
  const channel = present(event.channel);
  const ts = present(event.ts);
  const bot = botOf(event);
  const author = bot ?? present(event.user);
  if (channel === undefined || ts === undefined || author === undefined) return 'unprocessable';
  const text = event.text ?? '';
  const thread = present(event.thread_ts);
  const direct = event.channel_type === 'im' || isDirectChannel(channel);
  const files = (event.files ?? []).map((file) => file.id ?? '');
  return {
    kind: 'message',
    eventType: event.type,
    mentioned: event.type === 'app_mention' || names(text, own.botUserId),
    direct,
    author: { id: author, kind: bot === undefined ? 'user' : 'app' },
    text,
    semantic: ['message', channel, ts],
    content: [author, text, thread ?? ts, ...files],
    repeats: 'events',
    place: placeOfMessage(channel, thread ?? ts, thread, direct),
    responseUrl: undefined,
    triggerId: undefined,
  };
}

/** `<@U123>`, or `<@U123|name>` as older clients write it. */
const names = (text: string, botUserId: string | undefined): boolean =>
  botUserId !== undefined && (text.includes(`<@${botUserId}>`) || text.includes(`<@${botUserId}|`));

function readOther(
  envelope: Envelope,
  sent: JsonValue | undefined,
  own: OwnIds,
  workspace: string | undefined,
): Candidate | SlackReason {
  const event = otherEventSchema.safeParse(sent).data;
  const eventId = present(envelope.event_id);
  if (event === undefined || eventId === undefined) return 'unprocessable';
  const user = idOf(event.user) ?? present(event.user_id);
  const ignored = whyIgnoreOther(event, user, own);
  if (ignored !== undefined) return ignored;
  const place = placeOfOther(channelOf(event), user, workspace);
  return {
    kind: event.type,
    eventType: event.type,
    mentioned: false,
    direct: false,
    author: user === undefined ? { id: 'unknown', kind: 'unknown' } : { id: user, kind: 'user' },
    text: '',
    semantic: ['event', eventId],
    content: [JSON.stringify(sent)],
    repeats: 'events',
    place,
    responseUrl: undefined,
    triggerId: undefined,
  };
}

const channelOf = (event: OtherEvent): string | undefined =>
  idOf(event.channel) ?? present(event.channel_id) ?? present(event.item?.channel);

/** Some events send a whole user or channel where others send its id. */
const idOf = (value: OtherEvent['user']): string | undefined => present(typeof value === 'object' ? value?.id : value);

/** A slash command: one conversation for each user in a channel. */
function readCommand(command: Command): Candidate | SlackReason {
  const trigger = present(command.trigger_id);
  const responseUrl = present(command.response_url);
  if (trigger === undefined && responseUrl === undefined) return 'unprocessable';
  const { channel_id: channel, user_id: user } = command;
  return {
    kind: 'command',
    eventType: 'slash_command',
    mentioned: true,
    direct: isDirectChannel(channel),
    author: { id: user, kind: 'user' },
    text: command.text,
    semantic: trigger === undefined ? ['command', 'response_url', responseUrl] : ['command', trigger],
    content: [user, channel, command.command, command.text],
    repeats: 'interactions',
    place: {
      conversation: `${channel}:${user}`,
      channel,
      thread: undefined,
      ids: [channel, user],
      timestamps: [],
    },
    responseUrl,
    triggerId: trigger,
  };
}

/** Our kind for each of Slack's interaction types. */
const kinds: Readonly<Record<string, string>> = {
  block_actions: 'action',
  interactive_message: 'action',
  shortcut: 'shortcut',
  message_action: 'shortcut',
  view_submission: 'view',
  view_closed: 'view',
  dialog_submission: 'view',
  dialog_cancellation: 'view',
};

const isInteraction = (type: string): boolean => Object.hasOwn(kinds, type);

/** Anything a user pressed or submitted, as a candidate, or why it is none. */
function readInteraction(payload: Interaction, workspace: string | undefined): Candidate | SlackReason {
  const semantic = identityOf(payload);
  if (semantic === undefined) return 'unprocessable';
  const place = placeOf(payload, workspace);
  return {
    kind: kinds[payload.type] ?? payload.type,
    eventType: payload.type,
    mentioned: false,
    direct: place.channel !== undefined && isDirectChannel(place.channel),
    author: { id: payload.user.id, kind: 'user' },
    text: textOfInteraction(payload),
    semantic: [payload.type, ...semantic],
    content: [
      payload.user.id,
      payload.callback_id,
      JSON.stringify([payload.actions, payload.view?.state, payload.submission]),
    ],
    repeats: 'interactions',
    place,
    responseUrl: present(payload.response_url) ?? present(payload.response_urls?.[0]?.response_url),
    triggerId: present(payload.trigger_id),
  };
}

/**
 * `trigger_id` is new for every press; where Slack sends none (views being closed, steps of workflows, dialogs), what was
 * pressed and when. Undefined when a payload has neither.
 */
function identityOf(payload: Interaction): readonly IdentityPart[] | undefined {
  const { view, user } = payload;
  const trigger = present(payload.trigger_id);
  if (trigger !== undefined && payload.type !== 'view_closed') return [trigger];
  if (payload.type === 'view_submission' || payload.type === 'view_closed') {
    const [id, hash] = [present(view?.id), present(view?.hash)];
    return id !== undefined && hash !== undefined ? ['view', id, hash] : undefined;
  }
  const action = payload.actions?.[0];
  const at = present(action?.action_ts) ?? present(payload.action_ts);
  const on = present(payload.container?.message_ts) ?? messageTs(payload) ?? present(payload.container?.view_id);
  const what = present(action?.action_id) ?? present(action?.name) ?? present(payload.callback_id);
  if (at === undefined || what === undefined) return undefined;
  if (kinds[payload.type] === 'action' && on === undefined) return undefined;
  return ['pressed', on, what, at, user.id];
}

const messageTs = (payload: Interaction): string | undefined =>
  present(payload.message_ts) ?? present(payload.message?.ts);

/** The thread of the message that was acted on; without a message the channel, else the user. */
function placeOf(payload: Interaction, workspace: string | undefined): Place {
  const { container } = payload;
  const channel = present(payload.channel?.id) ?? present(container?.channel_id);
  const ts = present(container?.message_ts) ?? messageTs(payload);
  if (channel === undefined || ts === undefined) return placeOfOther(channel, payload.user.id, workspace);
  const thread = present(container?.thread_ts) ?? present(payload.message?.thread_ts);
  return placeOfMessage(channel, thread ?? ts, thread, isDirectChannel(channel));
}

/** What a user said by pressing or submitting: the values they chose or typed, one a line. '' when there are none. */
function textOfInteraction(payload: Interaction): string {
  if (payload.type === 'message_action') return payload.message?.text ?? '';
  if (payload.actions) return payload.actions.flatMap(valuesOfAction).join('\n');
  if (payload.submission) return Object.values(payload.submission).filter(isText).join('\n');
  return valuesOfState(payload.view?.state).join('\n');
}

const valuesOfAction = (action: Action): string[] =>
  [action.value, action.selected_option?.value, ...(action.selected_options ?? []).map((one) => one.value)].filter(
    isText,
  );

/** `state.values` is block → action → element; only what was typed is text, choices stay in the payload. */
function valuesOfState(state: unknown): string[] {
  if (!isJsonObject(state) || !isJsonObject(state.values)) return [];
  return Object.values(state.values)
    .flatMap((block) => (isJsonObject(block) ? Object.values(block) : []))
    .map((element) => (isJsonObject(element) ? element.value : undefined))
    .filter(isText);
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
