import {
  type SignedTeamsRequest,
  signTeamsActivity,
  type TeamsActivity,
  type TeamsTamper,
  teamsMessage,
} from '../../testing/teams/signer.ts';
import { readDevVendors } from '../dev/vendors.ts';
import { EXIT, Exit, type Io } from '../io.ts';
import type { Sender, SendOptions, SignedDelivery } from './sender.ts';

/** How far apart the two messages of `reorder` claim to be written, in ms. */
const REORDER_MS = 2_000;

/** Signs one activity at a time, epoch ms, honestly or spoiled in one way. */
export type SignTeams = (activity: TeamsActivity, at: number, tamper?: TeamsTamper) => SignedTeamsRequest;

/** The deliveries of one send, whichever way Teams signs them. */
export function teamsDeliveries(
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
  throw new Exit(EXIT.usage, '--file: must hold a JSON object');
}

export const teamsSender: Sender = {
  name: 'teams',
  path: (tenant) => `/hooks/teams/${tenant}`,
  // An invoke, and what expects its replies, is answered 200.
  statuses: { taken: [202, 200], refused: [403] },
  async deliveries(options, io) {
    const { key, appId } = await accountOf(io);
    const tenantId = io.environment.TEAMS_TENANT_ID;
    return teamsDeliveries(
      options,
      (text, at) => teamsMessage({ text, at, appId, ...(tenantId ? { tenantId } : {}) }),
      (activity, at, tamper) => signTeamsActivity(activity, { key, appId, at, ...(tamper && { tamper }) }),
    );
  },
};

/** Nobody but Microsoft has the key that a production gate trusts, so this one is always `dev`'s. */
async function accountOf(io: Io) {
  const vendors = await readDevVendors(io);
  if (vendors === null) throw new Exit(EXIT.config, 'no key that a gate would trust: start `sallyport dev` here once');
  return { key: vendors.key, appId: io.environment.TEAMS_APP_ID || vendors.teamsAppId };
}
