import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import {
  freshSecurityToken,
  type SignedTeamsRequest,
  signTeamsActivity,
  signTeamsOutgoing,
  type TeamsActivity,
  type TeamsTamper,
  teamsMessage,
} from '../../testing/teams/signer.ts';
import {
  type Sample,
  type SampleContext,
  SampleError,
  type Sender,
  type SendOptions,
  type SignedDelivery,
  type StandIn,
} from '../sample.node.ts';
import type { TeamsConfig } from './settings.ts';

/** How far apart the two messages of `reorder` claim to be written, in ms. */
const REORDER_MS = 2_000;

/** Signs one activity at a time, epoch ms, honestly or spoiled in one way. */
type SignTeams = (activity: TeamsActivity, at: number, tamper?: TeamsTamper) => SignedTeamsRequest;

/** The deliveries of one send, whichever way Teams signs them. */
function teamsDeliveries(
  { tamper, payload, text, index }: SendOptions,
  message: (text: string, at: number) => TeamsActivity,
  sign: SignTeams,
): readonly SignedDelivery[] {
  const at = Date.now();
  const activityAt = (time: number): TeamsActivity =>
    payload === undefined ? message(index === 0 ? text : `${text} (${index + 1})`, time) : activityOf(payload);
  const activity = activityAt(at);
  const expecting = (request: SignedTeamsRequest, expect: SignedDelivery['expect']) => ({ ...request, expect });
  switch (tamper) {
    case undefined:
      return [expecting(sign(activity, at), 'accepted')];
    case 'replay': {
      const request = sign(activity, at);
      return [expecting(request, 'accepted'), expecting(request, 'duplicate')];
    }
    case 'duplicate':
      // What Teams does after a timeout: the same activity, signed anew a moment later.
      return [expecting(sign(activity, at), 'accepted'), expecting(sign(activity, at + 1000), 'duplicate')];
    case 'reorder': {
      const earlier = activityAt(at - REORDER_MS);
      return [expecting(sign(activity, at), 'accepted'), expecting(sign(earlier, at - REORDER_MS), 'accepted')];
    }
    default:
      return [expecting(sign(activity, at, tamper), 'refused')];
  }
}

function activityOf(payload: unknown): TeamsActivity {
  if (typeof payload === 'object' && payload !== null && !Array.isArray(payload)) return payload as TeamsActivity;
  throw new SampleError('usage', '--file: must hold a JSON object');
}

const kept = z.object({ teamsAppId: z.string(), teamsOutgoingSecret: z.string() });
type Kept = z.output<typeof kept>;

const botSender: Sender<Kept> = {
  path: (tenant) => `/hooks/teams/${tenant}`,
  // An invoke, and what expects its replies, is answered 200.
  statuses: { taken: [202, 200], refused: [403] },
  async deliveries(options, context) {
    const { key, appId, tenantId } = await accountOf(options.tenant, context);
    const isInChannel = options.mention === true || options.thread !== undefined || isChannel(options.channel);
    const where = placeOf(options, isInChannel ? 'channel' : 'personal');
    return teamsDeliveries(
      options,
      (text, at) => teamsMessage({ ...where, text, at, appId, ...defined({ tenantId }) }),
      (activity, at, tamper) => signTeamsActivity(activity, { key, appId, at, ...(tamper && { tamper }) }),
    );
  },
};

/** The id of a channel, as opposed to that of a personal chat. */
const isChannel = (id: string | undefined): boolean => id?.startsWith('19:') === true;

/** Where a message is written and by whom. In a channel a thread is part of the conversation's id. */
function placeOf({ channel, thread, user }: SendOptions, conversationType: 'personal' | 'channel') {
  const id = channel ?? (thread === undefined ? undefined : '19:sallyport@thread.tacv2');
  const isThread = thread !== undefined && conversationType === 'channel';
  const conversation = isThread ? `${id?.split(';')[0]};messageid=${thread}` : id;
  return { conversationType, ...defined({ conversation, from: user }) };
}

/** Nobody but Microsoft has the key that a production gate trusts, so this one is always `dev`'s. */
async function accountOf(tenant: string, { dev, settings, environment }: SampleContext<Kept>) {
  const identity = await dev();
  if (identity === null) {
    throw new SampleError('config', 'no key that a gate would trust: start `sallyport dev` here once');
  }
  const teams = (await settings(tenant)) as TeamsConfig | undefined;
  const tenantId = teams?.tenantId ?? (environment.TEAMS_TENANT_ID || undefined);
  return { key: identity.key, appId: teams?.appId ?? identity.kept.teamsAppId, tenantId };
}

const outgoingSender: Sender<Kept> = {
  path: (tenant) => `/hooks/teams/${tenant}/outgoing`,
  statuses: { taken: [200], refused: [401] },
  async deliveries(options, context) {
    const securityToken = await tokenOf(options.tenant, context);
    const where = placeOf(options, 'channel');
    return teamsDeliveries(
      options,
      (text, at) => teamsMessage({ ...where, text, at }),
      (activity, at, tamper) => signTeamsOutgoing(activity, { securityToken, at, ...(tamper && { tamper }) }),
    );
  },
};

async function tokenOf(tenant: string, { dev, settings }: SampleContext<Kept>): Promise<string> {
  const given = ((await settings(tenant)) as TeamsConfig | undefined)?.outgoingSecrets?.[0];
  const token = given === undefined ? (await dev())?.kept.teamsOutgoingSecret : Buffer.from(given).toString('base64');
  if (token) return token;
  throw new SampleError('config', 'TEAMS_OUTGOING_SECRET: is required (or start `sallyport dev` here once)');
}

const standIn: StandIn<Kept> = {
  kept,
  fresh: () => ({ teamsAppId: randomUUID(), teamsOutgoingSecret: freshSecurityToken() }),
  async start({ teamsAppId, teamsOutgoingSecret }, { openidUrl }, { environment }) {
    // A real bot's activities are signed with Microsoft's keys, which only the real document names.
    const bot = environment.TEAMS_APP_ID ? {} : { TEAMS_APP_ID: teamsAppId, TEAMS_OPENID_URL: openidUrl };
    return { settings: { ...bot, TEAMS_OUTGOING_SECRET: teamsOutgoingSecret } };
  },
};

export const teamsSample: Sample<Kept> = {
  senders: { teams: botSender, 'teams-outgoing': outgoingSender },
  standIn,
};
