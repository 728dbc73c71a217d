import type { webApi } from '@slack/bolt';
import {
  type AgentTemplate,
  type ManifestRequest,
  type Onboarding,
  OnboardingError,
  readSetting,
} from '../onboarding.node.ts';
import { slackSchema } from './settings.ts';

/** Slack's own types for it, held against what is written below by the compiler. */
type SlackManifest = Exclude<webApi.AppsManifestCreateArguments['manifest'], string>;
type Scope = NonNullable<NonNullable<NonNullable<SlackManifest['oauth_config']>['scopes']>['bot']>[number];
type EventType = NonNullable<
  NonNullable<NonNullable<SlackManifest['settings']>['event_subscriptions']>['bot_events']
>[number];

/** What people say where the app is, each with the scope under which Slack sends it (docs.slack.dev/reference/events). */
const messages: readonly (readonly [EventType, Scope])[] = [
  ['app_mention', 'app_mentions:read'],
  ['message.channels', 'channels:history'],
  ['message.groups', 'groups:history'],
  ['message.im', 'im:history'],
  ['message.mpim', 'mpim:history'],
];

/** The messages that `mentionsOnly` leaves. */
const addressed: ReadonlySet<string> = new Set(['app_mention', 'message.im']);

/**
 * Posting, and reading what was posted: `metadata.message:read` shows the id of a reply whose confirmation was lost. The
 * history scopes of `messages` are needed for that too, whichever events are sent. `files:read` shows the text files that
 * come with messages.
 */
const always: readonly Scope[] = ['chat:write', 'metadata.message:read', 'files:read'];

/** Scopes of the event types that are most often listed in `eventTypes`; no scope where the list is empty. */
const scopesOfEvents: Readonly<Record<string, readonly Scope[]>> = {
  app_home_opened: [],
  app_uninstalled: [],
  tokens_revoked: [],
  channel_archive: ['channels:read'],
  channel_created: ['channels:read'],
  channel_rename: ['channels:read'],
  emoji_changed: ['emoji:read'],
  file_created: ['files:read'],
  file_shared: ['files:read'],
  link_shared: ['links:read'],
  member_joined_channel: ['channels:read', 'groups:read'],
  member_left_channel: ['channels:read', 'groups:read'],
  pin_added: ['pins:read'],
  pin_removed: ['pins:read'],
  reaction_added: ['reactions:read'],
  reaction_removed: ['reactions:read'],
  team_join: ['users:read'],
  user_change: ['users:read'],
};

/** The scopes that answering people needs, and those of further event types. */
export const scopesFor = (eventTypes: readonly string[]): Scope[] => [
  ...new Set([
    ...messages.map(([, scope]) => scope),
    ...always,
    ...eventTypes.flatMap((type) => scopesOfEvents[type] ?? []),
  ]),
];

/** Lengths that Slack allows (docs.slack.dev/reference/app-manifest). */
const NAME_CHARS = 35;
const COMMAND = /^\/[a-z0-9_-]{1,31}$/;

function manifestOf({ tenant, url, settings, name, options }: ManifestRequest) {
  if (name.length > NAME_CHARS) throw new OnboardingError('usage', `--name: is longer than ${NAME_CHARS} characters`);
  const commands = (options.command ?? []) as readonly string[];
  if (!commands.every((command) => COMMAND.test(command))) {
    throw new OnboardingError('usage', '--command: must be a slash and 1 to 31 of a-z, 0-9, - and _');
  }
  const read = <Name extends keyof typeof slackSchema.shape>(field: Name) => readSetting(slackSchema, field, settings);
  const mentionsOnly = read('mentionsOnly') ?? false;
  const listed = (read('eventTypes') ?? []).filter((type) => type !== 'message' && type !== 'app_mention');
  const isOrganisation = [
    ...(read('teams') ?? []).map((id) => id.startsWith('E')),
    ...(read('installations') ?? []).map(({ enterpriseId }) => enterpriseId !== undefined),
  ].some(Boolean);
  const requestUrl = `${url}/hooks/slack/${tenant}`;
  const events = messages.map(([type]) => type).filter((type) => !mentionsOnly || addressed.has(type));
  const scopes = [...scopesFor(listed), ...(commands.length > 0 ? (['commands'] as const) : [])];
  const manifest = {
    display_information: { name },
    features: {
      // Direct messages are written there. Nothing of an agent's view is handled, so none is declared.
      app_home: { home_tab_enabled: false, messages_tab_enabled: true, messages_tab_read_only_enabled: false },
      bot_user: { display_name: name.toLowerCase().replace(/[^a-z0-9._-]+/g, '-'), always_online: true },
      ...(commands.length > 0 && {
        slash_commands: commands.map((command) => ({
          command,
          url: requestUrl,
          description: `Asks ${name}`,
          usage_hint: '[question]',
          should_escape: false,
        })),
      }),
    },
    oauth_config: { scopes: { bot: scopes } },
    settings: {
      event_subscriptions: { request_url: requestUrl, bot_events: [...events, ...listed] as EventType[] },
      interactivity: { is_enabled: true, request_url: requestUrl },
      org_deploy_enabled: isOrganisation,
      socket_mode_enabled: false,
      token_rotation_enabled: false,
    },
  } satisfies SlackManifest;
  return { manifest, unknown: listed.filter((type) => scopesOfEvents[type] === undefined) };
}

const bolt: AgentTemplate = {
  packages: ['@slack/bolt'],
  file: {
    name: 'bolt-app.ts',
    text: `import { env } from 'node:process';
import { App } from '@slack/bolt';
import { boltReceiver } from 'sallyport';

// The gate receives and verifies Slack's requests; this app only answers. The token is SLACK_BOT_TOKEN of .env.
export const app = new App({ receiver: boltReceiver(), token: env.SLACK_BOT_TOKEN });

app.message(async ({ message, say }) => {
  const text = 'text' in message ? message.text : '';
  await say(\`You said: \${text}\`);
});
`,
  },
  entry: "boltAgent({ app: () => import('./bolt-app.ts') })",
  imports: ['boltAgent'],
  next: ['set SLACK_BOT_TOKEN: a Bolt app posts its replies itself, with this token'],
};

export const slackOnboarding: Onboarding = {
  environment: ['SLACK_SIGNING_SECRET', 'SLACK_BOT_TOKEN'],
  agents: { bolt },
  manifest(request) {
    const { manifest, unknown } = manifestOf(request);
    return {
      content: JSON.stringify(manifest, null, 2),
      link: `https://api.slack.com/apps?new_app=1&manifest_json=${encodeURIComponent(JSON.stringify(manifest))}`,
      next: [
        'SLACK_SIGNING_SECRET: Basic Information → App Credentials → Signing Secret',
        'SLACK_BOT_TOKEN: OAuth & Permissions → Install to Workspace → Bot User OAuth Token (xoxb-…)',
        'start the gate with both, and have Slack verify the request URL: Event Subscriptions → Retry',
        'invite the app to a channel: /invite @app',
        ...unknown.map((type) => `${type}: look up its scope in Slack's reference and add it to the manifest`),
      ],
    };
  },
};
