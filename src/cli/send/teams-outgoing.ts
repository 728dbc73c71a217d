import { signTeamsOutgoing, teamsMessage } from '../../testing/teams/signer.ts';
import { readDevVendors } from '../dev/vendors.ts';
import { EXIT, Exit, type Io } from '../io.ts';
import { secretOf } from '../settings.ts';
import type { Sender } from './sender.ts';
import { teamsDeliveries } from './teams.ts';

export const teamsOutgoingSender: Sender = {
  name: 'teams-outgoing',
  path: (tenant) => `/hooks/teams/${tenant}/outgoing`,
  statuses: { taken: [200], refused: [401] },
  async deliveries(options, io) {
    const securityToken = await tokenOf(io);
    return teamsDeliveries(
      options,
      (text, at) => teamsMessage({ text, at, conversationType: 'channel' }),
      (activity, at, tamper) => signTeamsOutgoing(activity, { securityToken, at, ...(tamper && { tamper }) }),
    );
  },
};

async function tokenOf(io: Io): Promise<string> {
  const given = (await secretOf(io, 'TEAMS_OUTGOING_SECRET'))?.split(',')[0]?.trim();
  const token = given || (await readDevVendors(io))?.teamsOutgoingSecret;
  if (token) return token;
  throw new Exit(EXIT.config, 'TEAMS_OUTGOING_SECRET: is required (or start `sallyport dev` here once)');
}
