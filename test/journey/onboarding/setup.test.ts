import { spawnSync } from 'node:child_process';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, test } from 'vitest';
import { allVariables } from '../../../src/config/environment.ts';
import { sallyport } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';

const URL_OF_GATE = 'https://gate.example.com';

/** Stands in for a vendor's program: notes how it was called, and answers what a script goes on with. */
const STAND_IN = `#!/bin/sh
{ printf '%s' "\${0##*/}"; for arg in "$@"; do printf '\\t%s' "$arg"; done; printf '\\n'; } >> "$CALLS"
case "\${0##*/} $*" in
  *'credential reset'*) echo made-at-the-vendor ;;
  *'account show'*) echo 11111111-1111-4111-8111-111111111111 ;;
  *'ad app create'*) echo 22222222-2222-4222-8222-222222222222 ;;
  *'appRoles'*) echo 33333333-3333-4333-8333-333333333333 ;;
  *'ad sp show'*) echo 44444444-4444-4444-8444-444444444444 ;;
  *'config get-value'*) echo my-project ;;
  *'projects describe'*) echo 1234567890 ;;
  *'keys create'*) echo '{}' > gmail-key.json ;;
  pwsh*) cat > powershell.txt; printf '%s\\n' "$APP" "$OBJECT" > powershell-environment.txt ;;
esac
`;

interface Ran {
  readonly script: string;
  /** Commands of the vendor, each a list of words. */
  readonly calls: readonly (readonly string[])[];
  readonly out: string;
  readonly folder: string;
  /** What the script appended. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Prints the script for these settings and runs it, with stand-ins for the vendors' programs. */
async function ran(channel: string, settings: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const folder = await testFolder();
  const printed = await sallyport(['setup', channel, '--url', URL_OF_GATE], { folder, environment: settings });
  expect(printed).toMatchObject({ code: 0, err: '' });
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const program of ['az', 'gcloud', 'pwsh', 'npx']) {
    await writeFile(join(bin, program), STAND_IN);
    await chmod(join(bin, program), 0o755);
  }
  const log = join(folder, 'calls');
  const env = { PATH: `${bin}:${process.env.PATH}`, CALLS: log };
  const { status, stdout, stderr } = spawnSync('sh', ['-s'], {
    input: printed.out,
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const calls = (await readFile(log, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
  const environment = parseEnv(await readFile(join(folder, '.env'), 'utf8').catch(() => ''));
  return { script: printed.out, calls, out: stdout, folder, environment };
}

/** The value of an option in the first call that begins so. */
const optionOf = ({ calls }: Ran, command: string, option: string): string | undefined => {
  const call = calls.find((words) => words.join(' ').startsWith(command)) ?? [];
  return call[call.indexOf(option) + 1];
};

/** Each command without its options. */
const called = ({ calls }: Ran): string[] => calls.map((words) => words.join(' ').split(' -')[0] ?? '');

/** The names in the last step, which has the form `NAME=`. */
const namesIn = (script: string): string[] =>
  [...script.matchAll(/^# {4}([A-Z_]+)=( {3}\(appended above\))?$/gm)].map(([, name = '']) => name);

describe('setup graph', () => {
  test('registers an application that reads the configured mailboxes alone', async () => {
    const GRAPH_SUBSCRIPTIONS =
      "users/ada@contoso.com/mailFolders('inbox')/messages,users/0f8fad5b-d9cb-469f-a165-70867728950e/messages";
    const run = await ran('graph', { GRAPH_SUBSCRIPTIONS });
    expect(optionOf(run, 'az ad app create', '--sign-in-audience')).toBe('AzureADMyOrg');
    // Of Entra only what an address needs; mail is Exchange's, within the scope.
    expect(run.script.match(/^ROLE=.*$/gm)).toEqual(['ROLE=$(role User.ReadBasic.All)']);
    expect(optionOf(run, 'az ad app permission add', '--api-permissions')).toBe(
      '33333333-3333-4333-8333-333333333333=Role',
    );
    const powershell = await readFile(join(run.folder, 'powershell.txt'), 'utf8');
    expect(powershell).toContain(
      "-RecipientRestrictionFilter 'PrimarySmtpAddress -eq ''ada@contoso.com'' -or ExternalDirectoryObjectId -eq ''0f8fad5b-d9cb-469f-a165-70867728950e'''",
    );
    expect(powershell.match(/Application Mail\.\w+/g)).toEqual(['Application Mail.Read', 'Application Mail.Send']);
    expect(await readFile(join(run.folder, 'powershell-environment.txt'), 'utf8')).toBe(
      '22222222-2222-4222-8222-222222222222\n44444444-4444-4444-8444-444444444444\n',
    );
    expect(run.environment).toEqual({
      GRAPH_TENANT_ID: '11111111-1111-4111-8111-111111111111',
      GRAPH_CLIENT_ID: '22222222-2222-4222-8222-222222222222',
      GRAPH_CLIENT_SECRET: 'made-at-the-vendor',
    });
  });

  test('asks for chats and channels where they are configured, and then for no mail', async () => {
    const run = await ran('graph', { GRAPH_SUBSCRIPTIONS: 'chats/19:abc@thread.v2/messages,teams/getAllMessages' });
    expect(run.script.match(/^ROLE=.*$/gm)).toEqual([
      'ROLE=$(role Chat.Read.All)',
      'ROLE=$(role ChannelMessage.Read.All)',
    ]);
    expect(run.script).not.toMatch(/Mail\.|pwsh/);
    // Each permission that is granted has its reason.
    for (const [, name] of run.script.matchAll(/\$\(role ([\w.]+)\)/g)) expect(run.script).toContain(`#    ${name}: `);
  });

  test('keeps the application and the secret that are configured, and shows no secret', async () => {
    const settings = {
      GRAPH_TENANT_ID: '55555555-5555-4555-8555-555555555555',
      GRAPH_CLIENT_ID: '66666666-6666-4666-8666-666666666666',
      GRAPH_CLIENT_SECRET: 'a-client-secret-of-mine',
      GRAPH_SUBSCRIPTIONS: 'users/ada@contoso.com/messages',
    };
    const run = await ran('graph', settings);
    expect(run.script).not.toContain('a-client-secret-of-mine');
    expect(called(run)).not.toContain('az ad app create');
    expect(optionOf(run, 'az ad sp show', '--id')).toBe(settings.GRAPH_CLIENT_ID);
    expect(run.environment).toEqual({});
  });

  test('says what it assumes as long as no resource is configured, and refuses what it cannot write', async () => {
    const { script } = await ran('graph');
    expect(script).toContain('GRAPH_SUBSCRIPTIONS is not set.');
    const folder = await testFolder();
    for (const mailbox of ["o'hara@contoso.com", 'a`b@contoso.com', '$(id)@contoso.com', 'a’b@contoso.com']) {
      const environment = { GRAPH_SUBSCRIPTIONS: `users/${mailbox}/messages` };
      const refused = await sallyport(['setup', 'graph', '--url', URL_OF_GATE], { folder, environment });
      expect({ mailbox, ...refused }).toEqual({
        mailbox,
        code: 78,
        out: '',
        err: expect.stringMatching(/^GRAPH_SUBSCRIPTIONS: /),
      });
      expect(refused.err).not.toContain(mailbox);
    }
  });
});

describe('setup gmail', () => {
  test('makes topic, accounts and push subscription as the gate expects them', async () => {
    const run = await ran('gmail');
    const create = 'gcloud pubsub subscriptions create';
    expect(optionOf(run, create, '--push-endpoint')).toBe(`${URL_OF_GATE}/hooks/gmail/default`);
    expect(optionOf(run, create, '--expiration-period')).toBe('never');
    expect(optionOf(run, create, '--ack-deadline')).toBe('10');
    expect(optionOf(run, 'gcloud pubsub topics add-iam-policy-binding', '--role')).toBe('roles/pubsub.publisher');
    expect(optionOf(run, 'gcloud iam service-accounts add-iam-policy-binding', '--member')).toBe(
      'serviceAccount:service-1234567890@gcp-sa-pubsub.iam.gserviceaccount.com',
    );
    // What the subscription writes into its tokens is what the gate is told to expect.
    expect(run.environment).toEqual({
      GMAIL_TOPIC: 'projects/my-project/topics/sallyport-mail',
      GMAIL_PUSH_SERVICE_ACCOUNT: optionOf(run, create, '--push-auth-service-account'),
      GMAIL_PUSH_AUDIENCE: optionOf(run, create, '--push-auth-token-audience'),
      GMAIL_PUSH_SUBSCRIPTION: 'projects/my-project/subscriptions/sallyport-mail-push',
      GOOGLE_APPLICATION_CREDENTIALS: expect.stringMatching(/\/gmail-key\.json$/),
    });
    expect((await stat(join(run.folder, 'gmail-key.json'))).mode & 0o777).toBe(0o600);
    // The gate takes these settings.
    const environment = { ...run.environment, GMAIL_MAILBOXES: 'ada@example.com' } as Record<string, string>;
    const { err } = await sallyport(['doctor'], { folder: run.folder, environment });
    expect(err).not.toContain('GMAIL_');
  });

  test('takes project, names, account and audience from the settings', async () => {
    const run = await ran('gmail', {
      GMAIL_TOPIC: 'projects/topics-of-acme/topics/inbox',
      GMAIL_PUSH_SUBSCRIPTION: 'projects/acme/subscriptions/inbox-push',
      GMAIL_PUSH_SERVICE_ACCOUNT: 'push@acme.iam.gserviceaccount.com',
      GMAIL_PUSH_AUDIENCE: "it's ours",
      GMAIL_MAILBOXES: 'ada@example.com,bob@example.com',
      GOOGLE_APPLICATION_CREDENTIALS: '/run/secrets/key.json',
    });
    expect(optionOf(run, 'gcloud pubsub topics create', '--project')).toBe('topics-of-acme');
    expect(run.calls.find((words) => words[2] === 'subscriptions')).toEqual(
      expect.arrayContaining(['inbox-push', 'acme', 'inbox', 'push@acme.iam.gserviceaccount.com', "it's ours"]),
    );
    expect(called(run)).not.toContain('gcloud iam service-accounts keys create gmail-key.json');
    expect(run.environment).toEqual({});
    expect(run.script).toContain('2 mailboxes');
  });
});

describe('setup teams', () => {
  test('makes a bot of one tenant with the hook as its endpoint, and the app for it', async () => {
    const run = await ran('teams');
    expect(called(run)).toEqual([
      'az login',
      'az account show',
      'az ad app create',
      'az ad sp create',
      'az ad app credential reset',
      'az group create',
      'az bot create',
      'az bot msteams create',
      'npx sallyport manifest teams',
    ]);
    expect(optionOf(run, 'az bot create', '--endpoint')).toBe(`${URL_OF_GATE}/hooks/teams/default`);
    expect(optionOf(run, 'az bot create', '--app-type')).toBe('SingleTenant');
    expect(run.environment).toEqual({
      TEAMS_APP_ID: optionOf(run, 'az bot create', '--appid'),
      TEAMS_TENANT_ID: optionOf(run, 'az bot create', '--tenant-id'),
      TEAMS_APP_PASSWORD: 'made-at-the-vendor',
    });
    expect(run.out).not.toContain('made-at-the-vendor');
    expect((await stat(join(run.folder, '.env'))).mode & 0o777).toBe(0o600);
  });

  test('keeps what is configured', async () => {
    const settings = { TEAMS_APP_ID: '66666666-6666-4666-8666-666666666666', TEAMS_APP_PASSWORD: 'a-password-of-mine' };
    const run = await ran('teams', settings);
    expect(run.script).not.toContain(settings.TEAMS_APP_PASSWORD);
    expect(called(run)).not.toContain('az ad app create');
    expect(optionOf(run, 'az bot create', '--appid')).toBe(settings.TEAMS_APP_ID);
    expect(run.environment).toEqual({});
  });
});

test.each(['graph', 'gmail', 'teams'])(
  'setup %s: ends with names that are settings, and explains every step',
  async (channel) => {
    const { script } = await ran(channel);
    const names = namesIn(script);
    expect(names.length).toBeGreaterThan(2);
    expect(names.filter((name) => !Object.hasOwn(allVariables.paths, name))).toEqual([]);
    const steps = script.split(/^# \d+\. .*\n/m).slice(1);
    expect(steps.filter((step) => !step.startsWith('#    '))).toEqual([]);
    const folder = await testFolder();
    expect(await sallyport(['setup', channel], { folder })).toEqual({
      ...{ code: 2, out: '' },
      err: '--url: is required (or SALLYPORT_PUBLIC_URL)\n',
    });
  },
);
