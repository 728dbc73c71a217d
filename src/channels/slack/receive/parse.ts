import { isJsonObject, type JsonObject } from '../../../core/json/json.ts';
import { present } from '../ids.ts';
import {
  type FindInstallation,
  type SlackInstallation,
  type Workspace,
  workspaceOfCommand,
  workspaceOfEvent,
  workspaceOfInteraction,
} from '../installation.ts';
import type { SlackBody } from './body.ts';
import { type Candidate, whyRefuseIds } from './candidate.ts';
import { commandSchema, envelopeSchema, interactionSchema } from './payload.ts';
import { readEvent } from './read-event.ts';
import { isInteraction, readCommand, readInteraction } from './read-interaction.ts';
import type { OwnIds, SlackReason } from './relevance.ts';

/** What an authentic body turned out to be. */
export type Parsed =
  | { readonly kind: 'challenge'; readonly challenge: unknown }
  /** A menu that wants its options in the response. */
  | { readonly kind: 'suggestion' }
  | { readonly kind: 'refused'; readonly reason: SlackReason }
  | {
      readonly kind: 'candidate';
      readonly candidate: Candidate;
      readonly workspace: Workspace;
      /** The body as sent, capabilities included. */
      readonly payload: JsonObject;
    };

export interface ParseContext {
  readonly tenant: string;
  /** Absent: every workspace that our app's secret vouches for is the tenant's. */
  readonly findInstallation: FindInstallation | undefined;
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
    if (installation === undefined) return refused('unknown_workspace');
    if (installation.tenant !== context.tenant) return refused('other_tenant');
  }
  const candidate = read(installation);
  if (typeof candidate === 'string') return refused(candidate);
  const reason = whyRefuseIds(candidate, workspace);
  return reason === undefined ? { kind: 'candidate', candidate, workspace, payload } : refused(reason);
}

const refused = (reason: SlackReason): Parsed => ({ kind: 'refused', reason });
