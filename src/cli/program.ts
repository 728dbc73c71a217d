import { Command, CommanderError } from 'commander';
import * as z from 'zod';
import { codeOf } from '../core/errors.ts';
import { registerAudit } from './commands/audit.ts';
import { registerBudgets } from './commands/budgets.ts';
import { registerCheckUrl } from './commands/check-url.ts';
import { registerDev } from './commands/dev.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerEdge } from './commands/edge.ts';
import { registerEvents } from './commands/events.ts';
import { registerKeygen } from './commands/keygen.ts';
import { registerReviews } from './commands/reviews.ts';
import { registerScrub } from './commands/scrub.ts';
import { registerSend } from './commands/send.ts';
import { type Roles, registerServe } from './commands/serve.ts';
import { registerSubscriptions } from './commands/subscriptions.ts';
import { registerToken } from './commands/token.ts';
import { registerUsers } from './commands/users.ts';
import { errorLine, oneLine } from './error-line.ts';
import { EXIT, Exit, escapingIo, type Io } from './io.ts';

/** Runs one command line. Resolves with the exit code; never throws. `args` is without node and script. */
export async function runCommandLine(
  args: readonly string[],
  outside: Io,
  roles: Roles,
  version: string,
): Promise<number> {
  const io = escapingIo(outside);
  const program = new Command('sallyport')
    .description('The self-hosted gate between chat webhooks and an AI agent.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.print(text.trimEnd()),
      // Bad usage is one line; --help is one call away.
      writeErr: (text) => io.complain(text.trim().split('\n')[0] ?? ''),
    });
  const registrars = [
    registerKeygen,
    registerToken,
    registerEvents,
    registerScrub,
    registerBudgets,
    registerReviews,
    registerAudit,
    registerSubscriptions,
    registerUsers,
    registerEdge,
    registerSend,
    registerCheckUrl,
  ];
  registerDev(program, io, roles);
  registerServe(program, io, roles);
  registerDoctor(program, io, roles.examine);
  for (const register of registrars) register(program, io);
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
  io.complain(isListenFailure(error) ? listenFailure(error) : describe(error));
  return EXIT.failed;
}

function describe(error: unknown): string {
  // Only answers of the API are parsed here; the library's own text is a page of JSON.
  if (error instanceof z.ZodError) return 'SALLYPORT_URL: what answers there is no Sallyport, or another version of it';
  return errorLine(error);
}

const isListenFailure = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && (error.syscall === 'listen' || error.syscall === 'getaddrinfo');

function listenFailure({ code }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE') return 'PORT: another process listens there already';
  if (code === 'EACCES') return 'PORT: this user may not listen there';
  return `HOST: cannot be listened on (${code})`;
}
