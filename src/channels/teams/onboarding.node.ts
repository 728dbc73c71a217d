import * as z from 'zod';
import { type ManifestRequest, type Onboarding, OnboardingError, readSetting } from '../onboarding.node.ts';
import { appPackage, MANIFEST_VERSION, type TeamsManifest } from './app-package.node.ts';
import { teamsSchema } from './settings.ts';

const guid = z.guid();
const version = z.string().regex(/^\d{1,4}\.\d{1,4}\.\d{1,4}$/);

/** Lengths that the schema allows. */
const SHORT_NAME_CHARS = 30;

function manifestOf({ url, name, settings, options }: ManifestRequest): TeamsManifest {
  const appId = guid.safeParse(options.appId ?? readSetting(teamsSchema, 'appId', settings));
  if (!appId.success)
    throw new OnboardingError('usage', "--app-id: is required (or TEAMS_APP_ID): the bot's Microsoft App ID");
  const number = version.safeParse(options.appVersion ?? '1.0.0');
  if (!number.success) throw new OnboardingError('usage', '--app-version: must be three numbers, e.g. 1.0.1');
  if (name.length > SHORT_NAME_CHARS) {
    throw new OnboardingError('usage', `--name: is longer than ${SHORT_NAME_CHARS} characters`);
  }
  return {
    $schema: `https://developer.microsoft.com/json-schemas/teams/v${MANIFEST_VERSION}/MicrosoftTeams.schema.json`,
    manifestVersion: MANIFEST_VERSION,
    version: number.data,
    // Of the app, not of the bot; the same id keeps a second upload from becoming a second app.
    id: appId.data,
    developer: { name, websiteUrl: url, privacyUrl: url, termsOfUseUrl: url },
    name: { short: name, full: name },
    description: { short: `Ask ${name}`, full: `Write to ${name}, or mention it in a channel or a group chat.` },
    icons: { color: 'color.png', outline: 'outline.png' },
    accentColor: '#1F4E79',
    // Where messages are accepted from. Files are not read, and every message may be answered.
    bots: [
      {
        botId: appId.data,
        scopes: ['personal', 'team', 'groupChat'],
        supportsFiles: false,
        isNotificationOnly: false,
      },
    ],
    // From 1.25 on the scope `team` requires it.
    supportsChannelFeatures: 'tier1',
    permissions: ['identity', 'messageTeamMembers'],
    validDomains: [],
  };
}

export const teamsOnboarding: Onboarding = {
  environment: ['TEAMS_APP_ID', 'TEAMS_APP_PASSWORD', 'TEAMS_TENANT_ID'],
  manifest: (request) => ({
    content: appPackage(manifestOf(request)),
    next: [
      `the messaging endpoint of the bot is ${request.url}/hooks/teams/${request.tenant}`,
      'in Teams: Apps → Manage your apps → Upload an app, or in the Teams admin center for everybody',
      'before you publish it: put your own website, privacy and terms addresses into manifest.json',
    ],
  }),
};
