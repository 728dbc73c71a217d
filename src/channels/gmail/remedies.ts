import type { Remedies } from '../../core/remedies.ts';

const DELEGATE = 'delegate the scope `gmail.modify` to the service account for the whole domain, then redrive';
const WAIT = 'redrive once the quota of Gmail is free again, or have it raised';
const RENEW = 'renew the Google credentials, then redrive';

/** By Google's reason (developers.google.com/workspace/gmail/api/guides/handle-errors) and that of its token endpoint. */
export const gmailRemedies: Remedies = {
  insufficientPermissions: DELEGATE,
  forbidden: DELEGATE,
  PERMISSION_DENIED: DELEGATE,
  unauthorized_client: DELEGATE,
  http_403: DELEGATE,
  accessNotConfigured: 'turn on the Gmail API in the Google Cloud project of the credentials, then redrive',
  domainPolicy: 'have an administrator of the domain let apps use Gmail, then redrive',
  delegationDenied: 'check that the mailbox in `GMAIL_MAILBOXES` is of the domain of the service account, then redrive',
  failedPrecondition: 'check that the mailbox in `GMAIL_MAILBOXES` exists and has Gmail turned on, then redrive',
  invalid_grant: RENEW,
  authError: RENEW,
  http_401: RENEW,
  invalidArgument: 'look at the log of the worker for the call that Gmail does not take',
  notFound: 'the message is gone; park the event for good',
  rateLimitExceeded: WAIT,
  userRateLimitExceeded: WAIT,
  dailyLimitExceeded: WAIT,
  quotaExceeded: WAIT,
  backendError: 'redrive once Gmail has recovered',
  limitExceeded: 'wait until the sending limit of the mailbox is over, then redrive',
};
