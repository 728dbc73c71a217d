import type { Onboarding } from '../onboarding.node.ts';

export const gmailOnboarding: Onboarding = {
  environment: [
    'GMAIL_TOPIC',
    'GMAIL_PUSH_SERVICE_ACCOUNT',
    'GMAIL_PUSH_AUDIENCE',
    'GMAIL_PUSH_SUBSCRIPTION',
    'GMAIL_MAILBOXES',
    'GOOGLE_APPLICATION_CREDENTIALS',
  ],
};
