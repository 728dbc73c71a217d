import type { Channel } from '../channels/channel.ts';
import { createGmailChannel } from '../channels/gmail/index.ts';
import type { GmailConfig } from '../channels/gmail/settings.ts';
import type { Config } from '../config/schema.ts';
import { createJwks } from '../net/jwt/jwks.ts';
import type { ChannelDeps } from './channel-deps.ts';

export const gmailChannel = (gmail: GmailConfig, { windows, server }: Config, deps: ChannelDeps): Channel =>
  createGmailChannel({
    jwks: createJwks({
      url: gmail.jwksUrl,
      fetch: deps.clients.open('vendor', [gmail.jwksUrl]).fetch,
      clock: deps.clock,
    }),
    clock: deps.clock,
    identifier: deps.identifier,
    audience: gmail.audience,
    serviceAccount: gmail.serviceAccount,
    subscription: gmail.subscription,
    mailboxes: gmail.mailboxes,
    windowMs: windows.gmail,
    bodyLimit: server.bodyLimit,
    outcomeHeaders: server.outcomeHeaders ?? true,
  });
