import { type Onboarding, OnboardingError, readSetting, type SetupStep, shellWord } from '../onboarding.node.ts';
import { isGuid, splitPath } from './resource.ts';
import { graphSchema } from './settings.ts';

/** What is assumed as long as no resource is configured. */
const EXAMPLE = "users/agent@contoso.com/mailFolders('inbox')/messages";

/** What the configured resources are about. */
interface Wanted {
  /** Addresses or GUIDs. */
  readonly mailboxes: readonly string[];
  readonly hasChats: boolean;
  readonly hasChannels: boolean;
}

function wantedOf(resources: readonly string[]): Wanted {
  const parts = resources.map(splitPath);
  const isChat = ([first, second]: ReturnType<typeof splitPath>): boolean =>
    first?.name === 'chats' || second?.name === 'chats';
  const mail = parts.filter((path) => path[0]?.name === 'users' && !isChat(path));
  return {
    mailboxes: [...new Set(mail.flatMap(([user]) => user?.id ?? []))],
    hasChats: parts.some(isChat),
    hasChannels: parts.some(([first]) => first?.name === 'teams'),
  };
}

/** Microsoft Graph itself, as an application that permissions are granted for. */
const GRAPH_APP = '00000003-0000-0000-c000-000000000000';

const signIn: SetupStep = {
  title: 'Sign in to the Entra tenant',
  why: ['Registering an application and consenting for everybody takes an administrator.'],
  commands: ['az login --allow-no-subscriptions', 'TENANT=$(az account show --query tenantId --output tsv)'],
};

/** The configured application, or a new one. */
function application(clientId: string | undefined): SetupStep {
  const app =
    clientId === undefined
      ? [
          'APP=$(az ad app create --display-name sallyport-graph --sign-in-audience AzureADMyOrg --query appId --output tsv)',
          'az ad sp create --id "$APP" --output none',
        ]
      : [`APP=${shellWord(clientId)}`];
  return {
    title: clientId === undefined ? 'Register the application' : 'Take the application of GRAPH_CLIENT_ID',
    why: ['Subscriptions belong to it, and it reads what notifications point at. It has no permission yet.'],
    commands: [...app, 'OBJECT=$(az ad sp show --id "$APP" --query id --output tsv)'],
  };
}

/** Permissions of Entra; mail is not among them, because Entra would grant every mailbox of the tenant. */
function permissions({ mailboxes, hasChats, hasChannels }: Wanted): readonly SetupStep[] {
  const isNamedByAddress = mailboxes.some((mailbox) => !isGuid(mailbox));
  const needed = [
    ...(hasChats ? [['Chat.Read.All', 'reads the messages of chats that notifications point at']] : []),
    ...(hasChannels ? [['ChannelMessage.Read.All', 'reads the messages of channels, and their replies']] : []),
    ...(isNamedByAddress
      ? [['User.ReadBasic.All', 'tells which GUID an address has; notifications name mailboxes by GUID']]
      : []),
  ];
  if (needed.length === 0) return [];
  return [
    {
      title: 'Grant the permissions of Entra',
      why: needed.map(([name, reason]) => `${name}: ${reason}.`),
      commands: [
        `GRAPH=${GRAPH_APP}`,
        `role() { az ad sp show --id "$GRAPH" --query "appRoles[?value=='$1'].id" --output tsv; }`,
        ...needed.flatMap(([name]) => [
          `ROLE=$(role ${name})`,
          'az ad app permission add --id "$APP" --api "$GRAPH" --api-permissions "$ROLE=Role" --output none',
        ]),
        'az ad app permission admin-consent --id "$APP"',
      ],
    },
  ];
}

/** What can stand in a filter of PowerShell without a second thought. */
const PLAIN = /^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}$/;

const mailboxFilter = (mailbox: string): string => {
  if (isGuid(mailbox)) return `ExternalDirectoryObjectId -eq ''${mailbox}''`;
  if (PLAIN.test(mailbox)) return `PrimarySmtpAddress -eq ''${mailbox}''`;
  throw new OnboardingError(
    'config',
    'GRAPH_SUBSCRIPTIONS: a mailbox has an unusual address; name it by its object id (GUID)',
  );
};

/** Mail of these mailboxes and of no other. */
function mail({ mailboxes: [first = '', ...others] }: Wanted): readonly SetupStep[] {
  if (first === '') return [];
  const filter = [first, ...others].map(mailboxFilter).join(' -or ');
  return [
    {
      title: 'Grant mail, for these mailboxes alone (Exchange Online, RBAC for applications)',
      why: [
        'Mail.Read: reads the messages that notifications point at, and finds out whether a reply was sent.',
        'Mail.Send: answers mail. Leave it out for a gate that only reads.',
        'Granted in Entra instead, each of them would open every mailbox of the tenant.',
        'It needs PowerShell with the module ExchangeOnlineManagement, takes effect within two hours, and the last line must say InScope True.',
        'Where creating a subscription is still refused then: grant Mail.Read and Mail.Send in Entra as well, as in the step',
        'above, and restrict them with New-ApplicationAccessPolicy -AppId … -PolicyScopeGroupId … -AccessRight RestrictAccess.',
      ],
      commands: [
        `APP=$APP OBJECT=$OBJECT pwsh -NoProfile -Command - <<'POWERSHELL'`,
        'Connect-ExchangeOnline -Device -ShowBanner:$false',
        "New-ServicePrincipal -AppId $env:APP -ObjectId $env:OBJECT -DisplayName 'sallyport-graph'",
        `New-ManagementScope -Name 'sallyport' -RecipientRestrictionFilter '${filter}'`,
        ...['Mail.Read', 'Mail.Send'].map(
          (name) =>
            `New-ManagementRoleAssignment -Name 'sallyport ${name}' -App $env:OBJECT -Role 'Application ${name}' -CustomResourceScope 'sallyport'`,
        ),
        `Test-ServicePrincipalAuthorization -Identity $env:OBJECT -Resource '${first}'`,
        'POWERSHELL',
      ],
    },
  ];
}

const secret = (isSet: boolean): readonly SetupStep[] =>
  isSet
    ? []
    : [
        {
          title: 'Make its secret',
          why: ['With it the worker fetches, subscribes and answers. Entra lets it end after a year: note the day.'],
          commands: [
            'umask 077',
            `printf 'GRAPH_TENANT_ID=%s\\nGRAPH_CLIENT_ID=%s\\n' "$TENANT" "$APP" >> .env`,
            'SECRET=$(az ad app credential reset --id "$APP" --append --display-name sallyport --years 1 --query password --output tsv)',
            `printf 'GRAPH_CLIENT_SECRET=%s\\n' "$SECRET" >> .env`,
          ],
        },
      ];

const subscribe: SetupStep = {
  title: 'Start the gate and look',
  why: [
    'A worker makes the subscriptions when it starts. Microsoft asks the gate at its public URL meanwhile, so the ingress is up first.',
    'Then, in another terminal: npx sallyport doctor, and npx sallyport subscriptions list',
  ],
};

export const graphOnboarding: Onboarding = {
  environment: [
    'GRAPH_TENANT_ID',
    'GRAPH_CLIENT_ID',
    'GRAPH_CLIENT_SECRET',
    'GRAPH_SUBSCRIPTIONS',
    'SALLYPORT_PUBLIC_URL',
  ],
  setup({ settings }) {
    const given = readSetting(graphSchema, 'subscriptions', settings) ?? [];
    const wanted = wantedOf(given.length === 0 ? [EXAMPLE] : given.map(({ resource }) => resource));
    const assumed: SetupStep = {
      title: 'Choose what to subscribe to',
      why: [
        'GRAPH_SUBSCRIPTIONS is not set. Set it and run this command again; what follows is for the example',
        `GRAPH_SUBSCRIPTIONS=${EXAMPLE}`,
      ],
    };
    const hasSecret = settings.clientSecret !== undefined;
    return {
      steps: [
        ...(given.length === 0 ? [assumed] : []),
        signIn,
        application(readSetting(graphSchema, 'clientId', settings)),
        ...permissions(wanted),
        ...mail(wanted),
        ...secret(hasSecret),
        subscribe,
      ],
      appended: hasSecret ? [] : ['GRAPH_TENANT_ID', 'GRAPH_CLIENT_ID', 'GRAPH_CLIENT_SECRET'],
    };
  },
};
