import { Command, CommanderError } from 'commander';
import * as z from 'zod';
import { codeOf } from '../core/errors.ts';
import { askedGate, notSallyport } from './access.ts';
import type { Roles } from './commands/serve.ts';
import { errorLine, oneLine } from './error-line.ts';
import { EXIT, Exit, escapingIo, type Io } from './io.ts';

/** Adds a command, or several, to the program. Roles are loaded when one is started. */
type Register = (program: Command, io: Io, roles: () => Promise<Roles>) => void;

const serve = async (): Promise<Register> => (await import('./commands/serve.ts')).registerServe;

const backup = async (): Promise<Register> => (await import('./commands/backup.ts')).registerBackup;

/** Every command in the order of `--help`. A command that is named first is loaded without the others. */
const commands: Readonly<Record<string, () => Promise<Register>>> = {
  dev: async () => (await import('./commands/dev.ts')).registerDev,
  ingress: serve,
  worker: serve,
  all: serve,
  init: async () => (await import('./onboarding/init.ts')).registerInit,
  manifest: async () => (await import('./onboarding/manifest.ts')).registerManifest,
  setup: async () => (await import('./onboarding/setup.ts')).registerSetup,
  doctor: async () => (await import('./commands/doctor.ts')).registerDoctor,
  backup,
  restore: backup,
  keygen: async () => (await import('./commands/keygen.ts')).registerKeygen,
  token: async () => (await import('./commands/token.ts')).registerToken,
  events: async () => (await import('./commands/events.ts')).registerEvents,
  scrub: async () => (await import('./commands/scrub.ts')).registerScrub,
  budgets: async () => (await import('./commands/budgets.ts')).registerBudgets,
  reviews: async () => (await import('./commands/reviews.ts')).registerReviews,
  audit: async () => (await import('./commands/audit.ts')).registerAudit,
  subscriptions: async () => (await import('./commands/subscriptions.ts')).registerSubscriptions,
  users: async () => (await import('./commands/users.ts')).registerUsers,
  edge: async () => (await import('./commands/edge.ts')).registerEdge,
  send: async () => (await import('./commands/send.ts')).registerSend,
  'support-bundle': async () => (await import('./commands/support-bundle.ts')).registerSupportBundle,
  'check-url': async () => (await import('./commands/check-url.ts')).registerCheckUrl,
};

/**
 * Runs one command line. Resolves with the exit code; never throws. `args` is without node and script; `roles` loads what
 * runs the production roles.
 */
export async function runCommandLine(
  args: readonly string[],
  outside: Io,
  roles: () => Promise<Roles>,
  version: string,
): Promise<number> {
  const io = escapingIo(outside);
  const program = new Command('sallyport')
    .description('The self-hosted gate between chat webhooks and an AI agent.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.print(text.trimEnd()),
      writeErr: (text) => io.complain(text.trim()),
    });
  const [name = ''] = args;
  const named = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const loading = named === undefined ? new Set(Object.values(commands)) : [named];
  for (const register of await Promise.all([...loading].map((load) => load()))) register(program, io, roles);
  for (const command of program.commands) inherit(command, program);
  if (args.length === 0) {
    io.print(program.helpInformation());
    return EXIT.usage;
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return exitCode(error, io);
  }
}

/** Subcommands made by `command()` copy these settings only if they were set before; registration order must not matter. */
function inherit(command: Command, from: Command): void {
  command.copyInheritedSettings(from);
  for (const child of command.commands) inherit(child, from);
}

function exitCode(error: unknown, io: Io): number {
  if (error instanceof Exit) {
    if (error.message !== '') io.complain(error.message);
    return error.code;
  }
  if (codeOf(error) === 'ERR_CONFIG_INVALID') {
    io.complain(oneLine((error as Error).message));
    return EXIT.config;
  }
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  io.complain(isListenFailure(error) ? listenFailure(error) : describe(error, io));
  return EXIT.failed;
}

function describe(error: unknown, io: Io): string {
  // Only answers of the API are parsed here; the library's own text is a page of JSON.
  if (error instanceof z.ZodError) {
    const gate = askedGate(io);
    return gate === undefined ? errorLine(error) : notSallyport(gate).message;
  }
  return errorLine(error);
}

const isListenFailure = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && (error.syscall === 'listen' || error.syscall === 'getaddrinfo');

function listenFailure({ code }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE') return 'PORT: another process listens there already';
  if (code === 'EACCES') return 'PORT: this user may not listen there';
  return `HOST: cannot be listened on (${code})`;
}
