import type { Authorize, webApi } from '@slack/bolt';
import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { GuardedFetch } from '../../../net/guarded-fetch.ts';
import { type BoltApp, giveFreshHeaders } from './app.ts';

/** One tenant's Slack, as its configuration names it. */
export interface TenantSlack {
  /** Where the Web API is, when that is not Slack's own. */
  readonly apiUrl: string | undefined;
  /** For what a listener gives to `ack`. */
  readonly fetch: GuardedFetch;
  /** Whether a token that an app has for everything may be shown to this Slack. */
  readonly mayHave: (token: string) => boolean;
}

/**
 * An app as one tenant's events see it: the same listeners, middleware and `authorize`, with Web API clients of its own,
 * which know this tenant's address and no other. Nothing of it is shared with another tenant's view, so no order of events
 * brings a token to another tenant's Slack. The app's own client, which its listeners may import, keeps what its author
 * gave it.
 * @throws SallyportError ERR_CONFIG_INVALID: the app has one token, and it is another tenant's
 */
export function createTenantApp(app: BoltApp, { apiUrl, mayHave }: TenantSlack): BoltApp {
  // An app that names an address itself was written for that one.
  if (app.webClientOptions.slackApiUrl !== undefined) return app;
  const { token } = app.client;
  if (token !== undefined && !mayHave(token)) {
    throw new SallyportError(
      'ERR_CONFIG_INVALID',
      'bolt: the app has one token for all tenants, and it is not the slack.botToken of this one; give the app an `authorize` that finds the token of each workspace',
    );
  }
  if (apiUrl === undefined) return app;
  const clientOptions = { ...app.webClientOptions, slackApiUrl: apiUrl };
  giveFreshHeaders(clientOptions);
  const client = new (app.client.constructor as typeof webApi.WebClient)(token, clientOptions);
  const own: Record<string, unknown> = { clientOptions, client, clients: {} };
  if (token !== undefined) {
    ignoreOwnAuthTest(app);
    own.authorize = authorizeWith(token, client);
  }
  // What the app is told later (listeners, an error handler) reaches its views as well.
  return Object.assign(Object.create(app) as BoltApp, own);
}

/**
 * What Bolt does with a token, at this tenant's address. An app that is made with a token asks Slack's own address whose
 * it is, before anybody can tell it another one.
 */
function authorizeWith(token: string, client: webApi.WebClient): Authorize<boolean> {
  let asked: Promise<webApi.AuthTestResponse> | undefined;
  return async ({ isEnterpriseInstall }) => {
    asked ??= client.auth.test({ token }).catch((error: unknown) => {
      asked = undefined;
      throw error;
    });
    const { user_id: botUserId, bot_id: botId } = await asked;
    return {
      isEnterpriseInstall,
      botToken: token,
      ...defined({ botUserId, botId }),
    };
  };
}

/** What the app asked Slack's own address when it was made may fail, and nobody waits for it: that must not end the worker. */
function ignoreOwnAuthTest(app: BoltApp): void {
  const authorize: unknown = Reflect.get(app, 'authorize');
  // Without verification Bolt asks only when it is called.
  if (typeof authorize !== 'function' || Reflect.get(app, 'tokenVerificationEnabled') === false) return;
  Promise.resolve(authorize({ isEnterpriseInstall: false })).catch(() => {});
}
