import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { ChannelModule } from '../../channels/module.ts';
import { plugs } from '../../channels/registry.node.ts';
import { freshProductionSecrets } from '../dev/secrets.ts';
import { EXIT, Exit, type Io } from '../io.ts';
import { loadOnboarding } from './context.ts';
import { composeFile, fileStarter, httpStarter, type Starter, templateStarter } from './templates.ts';

interface Options {
  readonly yes?: boolean;
  readonly channel?: string;
  readonly agent?: string;
  readonly dir: string;
}

/** Channels that have to be set up somewhere; the others need nothing. */
const channels: readonly ChannelModule[] = (plugs.modules as readonly ChannelModule[]).filter(
  ({ onboarding }) => onboarding !== undefined,
);
const channelNames = channels.map(({ name }) => name as string);
const ownAgents = channels.flatMap(({ onboarding }) => onboarding?.agents ?? []);
const agentNames = ['file', 'http', ...ownAgents];

export function registerInit(program: Command, io: Io): void {
  program
    .command('init')
    .description(
      'write a configuration, an agent that answers, .env with fresh secrets and a compose file; overwrite nothing',
    )
    .option('--yes', 'ask nothing: what no option says is as a question suggests it')
    .option('--channel <names>', `comma list of ${channelNames.join(', ')}`)
    .option('--agent <kind>', `what answers: ${agentNames.join(', ')}`)
    .option('--dir <folder>', 'where to write', '.')
    .action((options: Options) => init(options, io));
}

async function init(options: Options, io: Io): Promise<void> {
  const { chosen, agent } = await choose(options, io);
  const folder = resolve(io.folder, options.dir);
  await mkdir(folder, { recursive: true }).catch(({ code }: NodeJS.ErrnoException) => {
    throw new Exit(EXIT.failed, `--dir: cannot be made (${code})`);
  });
  const isInstalled = isPackageIn(folder);
  const starter = await starterOf(agent, isInstalled);
  const write = createWriter(folder, io);
  await writeConfiguration(folder, starter, write, io);
  for (const [name, text] of Object.entries(starter.files)) await write(name, text);
  const isFresh = await write('.env', await environmentFile(chosen, starter), 0o600);
  await write('compose.yaml', composeFile(starter));
  await ignore(folder, io);
  for (const line of nextSteps({ options, chosen, starter, isInstalled, isFresh })) io.print(line);
}

/** The answers, from the options or else asked for. @throws Exit 2 when one of them is not possible */
async function choose(options: Options, io: Io): Promise<{ chosen: readonly ChannelModule[]; agent: string }> {
  const ask = options.yes ? async (_: string, suggested: string) => suggested : createAsk(io);
  const [first = ''] = channelNames;
  const named = (options.channel ?? (await ask(`Channels, of ${channelNames.join(', ')}`, first)))
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const unknown = named.some((name) => !channelNames.includes(name));
  if (unknown || named.length === 0) {
    throw new Exit(EXIT.usage, `--channel: must be a comma list of ${channelNames.join(', ')}`);
  }
  const agent = (options.agent ?? (await ask(`What answers, ${agentNames.join(' or ')}`, 'file'))).trim();
  if (!agentNames.includes(agent)) throw new Exit(EXIT.usage, `--agent: must be one of ${agentNames.join(', ')}`);
  const chosen = channels.filter(({ name }) => named.includes(name));
  const owner = ownerOf(agent);
  if (owner !== undefined && !chosen.includes(owner)) {
    throw new Exit(EXIT.usage, `--agent: ${agent} answers in ${owner.name} only; add it to --channel`);
  }
  return { chosen, agent };
}

const ownerOf = (agent: string): ChannelModule | undefined =>
  channels.find(({ onboarding }) => onboarding?.agents?.includes(agent));

/** Reads an answer a line; an empty one, and the end of the input, mean what is suggested. */
function createAsk(io: Io): (question: string, suggested: string) => Promise<string> {
  const lines = createInterface({ input: io.input, terminal: false })[Symbol.asyncIterator]();
  return async (question, suggested) => {
    io.complain(`${question} [${suggested}]:`);
    const { value = '' } = await lines.next();
    return String(value).trim() || suggested;
  };
}

/** Whether a file of the folder can import the package. */
function isPackageIn(folder: string): boolean {
  try {
    createRequire(join(folder, 'sallyport.config.ts')).resolve('sallyport');
    return true;
  } catch {
    return false;
  }
}

async function starterOf(agent: string, isInstalled: boolean): Promise<Starter> {
  const owner = ownerOf(agent);
  if (owner === undefined) return agent === 'http' ? httpStarter(isInstalled) : fileStarter(isInstalled);
  const template = (await loadOnboarding(owner.name)).agents?.[agent];
  if (template === undefined) throw new Error(`${owner.name} has no template of ${agent}`);
  return templateStarter(template);
}

/** Resolves with whether the file was written. */
type Write = (name: string, text: string, mode?: number) => Promise<boolean>;

/** Writes files that are not there yet, and says of each which it was. */
const createWriter =
  (folder: string, io: Io): Write =>
  async (name, text, mode = 0o644) => {
    try {
      await writeFile(join(folder, name), text, { flag: 'wx', mode });
      io.print(`wrote  ${name}`);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST') throw new Exit(EXIT.failed, `--dir: cannot be written (${code})`);
      io.print(`kept   ${name}`);
      return false;
    }
  };

/** A second configuration beside one of another name would be read instead of it, or never. */
async function writeConfiguration(folder: string, { configuration }: Starter, write: Write, io: Io): Promise<void> {
  const existing = readdirSync(folder).find((name) => name.startsWith('sallyport.config.'));
  if (existing === undefined) return void (await write(configuration.name, configuration.text));
  io.print(`kept   ${existing}: what would have been written as ${configuration.name} is`);
  for (const line of configuration.text.trimEnd().split('\n')) io.print(`       ${line}`);
}

/** Fresh secrets, and the variables of the channels to fill in. */
async function environmentFile(chosen: readonly ChannelModule[], { isSigned }: Starter): Promise<string> {
  const secrets = {
    ...freshProductionSecrets(),
    ...(isSigned && { SALLYPORT_AGENT_SECRET: `whsec_${randomBytes(32).toString('base64')}` }),
  };
  const lines = [
    '# Secrets of this gate: keep the file private and out of version control.',
    ...Object.entries(secrets).map(([name, value]) => `${name}=${value}`),
    '',
    '# Where vendors reach the gate, e.g. https://gate.example.com',
    '# SALLYPORT_PUBLIC_URL=',
  ];
  for (const { name } of chosen) {
    const { environment } = await loadOnboarding(name);
    lines.push('', `# ${name}: docs/${name}.md`, ...environment.map((variable) => `# ${variable}=`));
  }
  return `${lines.join('\n')}\n`;
}

/** What holds secrets or data must not be committed. */
async function ignore(folder: string, io: Io): Promise<void> {
  const path = join(folder, '.gitignore');
  const text = await readFile(path, 'utf8').catch(() => '');
  const known = new Set(text.split('\n').map((line) => line.trim().replace(/^\//, '')));
  const missing = ['.env', '.sallyport/'].filter((line) => !known.has(line) && !known.has(line.replace(/\/$/, '')));
  if (missing.length === 0) return io.print('kept   .gitignore');
  const separator = text === '' || text.endsWith('\n') ? '' : '\n';
  await writeFile(path, `${text}${separator}${missing.join('\n')}\n`);
  io.print(`added  ${missing.join(' and ')} to .gitignore`);
}

interface Made {
  readonly options: Options;
  readonly chosen: readonly ChannelModule[];
  readonly starter: Starter;
  readonly isInstalled: boolean;
  /** `.env` was written now, so it has everything. */
  readonly isFresh: boolean;
}

function nextSteps({ options: { dir }, chosen, starter, isInstalled, isFresh }: Made): readonly string[] {
  const { packages, next, isSigned } = starter;
  const needed = isInstalled ? packages.filter((name) => name !== 'sallyport') : packages;
  const setUp = chosen.flatMap(({ name, onboarding }) => [
    ...(onboarding?.manifest === undefined ? [] : [`npx sallyport manifest ${name} --help`]),
    ...(onboarding?.hasSetup ? [`npx sallyport setup ${name}`] : []),
  ]);
  const [kind = ''] = chosen[0]?.samples ?? [];
  const steps = [
    ...(dir === '.' ? [] : [`cd ${dir}`]),
    ...(needed.length === 0 ? [] : [`npm install ${needed.join(' ')}`]),
    ...(isFresh ? [] : ['npx sallyport keygen >> .env   # the secrets that it lacks']),
    ...(isFresh || !isSigned ? [] : ['SALLYPORT_AGENT_SECRET in .env: whsec_ and what openssl rand -base64 32 prints']),
    ...next,
    'npx sallyport dev',
    `npx sallyport send ${kind} --text hello --wait   # in another terminal: your first reply`,
    ...setUp,
    'npx sallyport doctor                       # once .env is filled in',
  ];
  return ['', 'next:', ...steps.map((step) => `  ${step}`)];
}
