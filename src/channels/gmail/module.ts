import { createJwks } from '../../net/jwt/jwks.ts';
import type { ChannelModule } from '../module.ts';
import { createGmailChannel } from './index.ts';
import { type GmailConfig, gmailSchema, gmailWindow } from './settings.ts';

export const gmailModule = {
  name: 'gmail',
  samples: ['gmail'],
  settings: gmailSchema,
  window: gmailWindow,
  isHint: true,
  hooks: [{ label: 'Gmail push', path: '' }],
  isKept: true,
  withoutEffect: ({ mailboxes }) => (mailboxes.length === 0 ? ['topic'] : []),
  receive(gmail, { windowMs, bodyLimit, outcomeHeaders = true, identifier, openFetch, clock }) {
    const channel = createGmailChannel({
      jwks: createJwks({ url: gmail.jwksUrl, fetch: openFetch([gmail.jwksUrl]), clock }),
      clock,
      identifier,
      audience: gmail.audience,
      serviceAccount: gmail.serviceAccount,
      subscription: gmail.subscription,
      mailboxes: gmail.mailboxes,
      windowMs,
      bodyLimit,
      outcomeHeaders,
    });
    return (rest) => (rest.length === 0 ? channel : null);
  },
} as const satisfies ChannelModule<GmailConfig>;
