import { z } from 'zod';
import { createInstallationTable, type SlackInstallation } from '../installation.ts';
import type { BotIds, Destination, ReplyAccount } from './destination.ts';
import type { CallWebApi } from './web-api.ts';

export interface AccountDeps {
  /** For workspaces without a token of their own, and for all of them where no installation is configured. */
  readonly botToken?: string;
  readonly installations?: readonly SlackInstallation[];
  readonly callWebApi: CallWebApi;
}

/** Finds the account to answer a destination with; undefined when there is no token. */
export type FindAccount = (tenant: string, destination: Destination) => ReplyAccount | undefined;

const identitySchema = z.looseObject({ user_id: z.string().optional(), bot_id: z.string().optional() });

export function createAccounts({ botToken, installations, callWebApi }: AccountDeps): FindAccount {
  const find = installations && createInstallationTable(installations);
  const askedFor = new Map<string, BotIds>();
  const ask = async (token: string, signal: AbortSignal): Promise<BotIds | undefined> => {
    const known = askedFor.get(token);
    if (known !== undefined) return known;
    const outcome = await callWebApi({ method: 'auth.test', token, arguments: {}, signal });
    const identity = outcome.kind === 'ok' ? identitySchema.safeParse(outcome.value).data : undefined;
    if (identity === undefined) return undefined;
    // A token's identity never changes, so it is asked for once; a failure is not remembered.
    const ids: BotIds = { botUserId: identity.user_id, botId: identity.bot_id };
    askedFor.set(token, ids);
    return ids;
  };
  return (tenant, { app, workspace }) => {
    const entry = find?.({ appId: app, installedIn: workspace });
    if (find !== undefined && entry?.tenant !== tenant) return undefined;
    const token = entry?.botToken ?? botToken;
    if (token === undefined) return undefined;
    const { botUserId, botId } = entry ?? {};
    const isKnown = botUserId !== undefined && botId !== undefined;
    return { token, ownIds: async (signal) => (isKnown ? { botUserId, botId } : ask(token, signal)) };
  };
}
