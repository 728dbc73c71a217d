import * as z from 'zod';
import { type ManifestRequest, type Onboarding, OnboardingError, readSetting, shellWord } from '../onboarding.node.ts';
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
  setup({ tenant, url, settings }) {
    const appId = readSetting(teamsSchema, 'appId', settings);
    const hasPassword = settings.appPassword !== undefined;
    const tenantId = readSetting(teamsSchema, 'tenantId', settings);
    return {
      appended: hasPassword ? [] : ['TEAMS_APP_ID', 'TEAMS_APP_PASSWORD', 'TEAMS_TENANT_ID'],
      steps: [
        {
          title: 'Sign in',
          why: [
            'Registering an application takes an administrator of Entra; the bot needs a subscription of Azure, where it costs nothing.',
          ],
          commands: [
            'az login',
            tenantId === undefined
              ? 'TENANT=$(az account show --query tenantId --output tsv)'
              : `TENANT=${shellWord(tenantId)}`,
          ],
        },
        {
          title: appId === undefined ? 'Register the application' : 'Take the application of TEAMS_APP_ID',
          why: ['The bot signs in as it. It needs no permission of Graph: what is said to the bot is sent to it.'],
          commands:
            appId === undefined
              ? [
                  'APP=$(az ad app create --display-name sallyport-teams --sign-in-audience AzureADMyOrg --query appId --output tsv)',
                  'az ad sp create --id "$APP" --output none',
                ]
              : [`APP=${shellWord(appId)}`],
        },
        ...(hasPassword
          ? []
          : [
              {
                title: 'Make its secret',
                why: ['Replies are posted with it. Entra lets it end after a year: note the day.'],
                commands: [
                  'umask 077',
                  `printf 'TEAMS_APP_ID=%s\\nTEAMS_TENANT_ID=%s\\n' "$APP" "$TENANT" >> .env`,
                  'SECRET=$(az ad app credential reset --id "$APP" --append --display-name sallyport --years 1 --query password --output tsv)',
                  `printf 'TEAMS_APP_PASSWORD=%s\\n' "$SECRET" >> .env`,
                ],
              },
            ]),
        {
          title: 'Make the bot and connect it to Teams',
          why: [
            'The bot knows where the gate is: its messaging endpoint. Only one Entra tenant may use it (SingleTenant).',
            'The name is unique in Azure; the region is where its few data lie.',
          ],
          commands: [
            'BOT="sallyport-$(printf %s "$APP" | cut -c 1-8)"',
            'az group create --name sallyport --location westeurope --output none',
            `az bot create --name "$BOT" --resource-group sallyport --app-type SingleTenant --appid "$APP" --tenant-id "$TENANT" --sku F0 --endpoint ${shellWord(`${url}/hooks/teams/${tenant}`)} --output none`,
            'az bot msteams create --name "$BOT" --resource-group sallyport --output none',
          ],
        },
        {
          title: 'Make the app and give it to people',
          why: [
            'People use a bot through an app. For yourself: Teams → Apps → Manage your apps → Upload an app.',
            'For the organisation: PowerShell with the module MicrosoftTeams, Connect-MicrosoftTeams, then',
            'New-TeamsApp -DistributionMethod organization -Path app.zip',
          ],
          commands: [
            `npx sallyport manifest teams --url ${shellWord(url)} --app-id "$APP" --tenant ${tenant} --out app.zip`,
          ],
        },
        {
          title: 'Start the gate and look',
          why: ['Write to the bot in Teams; then, in another terminal: npx sallyport doctor, and npx sallyport events'],
        },
      ],
    };
  },
};
