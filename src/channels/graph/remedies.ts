import type { Remedies } from '../../core/remedies.ts';
import { entraRemedies } from '../../net/remedies.ts';

const CONSENT = 'give the app the application permissions of docs/graph.md with admin consent, then redrive';
const GONE = 'the object is gone; park the event for good';
const WAIT = 'redrive once Graph takes requests again';

/** By Graph's `error.code` (learn.microsoft.com/graph/errors), and by Entra's word where it gave no token. */
export const graphRemedies: Remedies = {
  ...entraRemedies({ id: 'GRAPH_CLIENT_ID', secret: 'GRAPH_CLIENT_SECRET', tenant: 'GRAPH_TENANT_ID' }),
  ErrorAccessDenied: CONSENT,
  Authorization_RequestDenied: CONSENT,
  AccessDenied: CONSENT,
  Forbidden: CONSENT,
  http_403: CONSENT,
  ErrorItemNotFound: GONE,
  ResourceNotFound: GONE,
  itemNotFound: GONE,
  http_404: GONE,
  MailboxNotEnabledForRESTAPI: 'give the mailbox an Exchange Online licence, or take it out of `GRAPH_SUBSCRIPTIONS`',
  ErrorInvalidUser: 'check the mailbox in `GRAPH_SUBSCRIPTIONS`, then redrive',
  Request_ResourceNotFound: 'check the mailbox in `GRAPH_SUBSCRIPTIONS`, then redrive',
  InvalidAuthenticationToken:
    'check `GRAPH_AUTHORITY_URL` and `GRAPH_BASE_URL`: the token is for another cloud, then redrive',
  ErrorQuotaExceeded: 'make room in the mailbox, then redrive',
  ErrorMailboxStoreUnavailable: WAIT,
  ErrorMailboxMoveInProgress: WAIT,
  ErrorServerBusy: WAIT,
  ApplicationThrottled: WAIT,
  TooManyRequests: WAIT,
  ErrorMessageSizeExceeded: 'have the agent answer more briefly, then redrive',
  ErrorSendAsDenied: 'let the app send from the mailbox in Exchange, then redrive',
};
