import type { Remedies } from '../../core/remedies.ts';
import { entraRemedies } from '../../net/remedies.ts';

/** By the status of the Bot connector, and by Entra's word where it gave no token. */
export const teamsRemedies: Remedies = {
  ...entraRemedies({ id: 'TEAMS_APP_ID', secret: 'TEAMS_APP_PASSWORD', tenant: 'TEAMS_TENANT_ID' }),
  http_400: 'look in Teams whether the message that is answered still exists, then redrive',
  http_401: 'check that `TEAMS_APP_ID` is the id of the bot in Azure, then redrive',
  http_403: 'install the app for the team or person again, or have it unblocked, then redrive',
  http_404: 'the conversation is gone or the app was removed from it; install it again, then redrive',
  http_412: 'redrive: somebody else was writing to the conversation',
  http_413: 'have the agent answer more briefly, then redrive',
  service_host: 'add the host of the service URL to `TEAMS_SERVICE_HOSTS`, then redrive',
};
