import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { errorLine } from '../cli/error-line.ts';
import { EXIT } from '../cli/io.ts';
import { runCommandLine } from '../cli/program.ts';
import { malformedLines } from '../config/env-file.ts';

const write = (stream: NodeJS.WriteStream, ending: string) => (text: string) => {
  stream.write(text + ending);
};

// A reader that has seen enough (`| head`) closes the pipe; that is no failure, and must not end a gate.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

// A role that runs takes these over, to write what it knows first.
process.on('uncaughtException', crash).on('unhandledRejection', crash);

// What `keygen` printed, in the working folder. Variables that are set already stay as they are.
if (existsSync('.env')) {
  process.loadEnvFile('.env');
  for (const number of malformedLines(readFileSync('.env', 'utf8'))) {
    write(process.stderr, '\n')(`.env: line ${number} is not NAME=value, and sets nothing`);
  }
}

const environment = { ...process.env };
// With it, libraries that make connections of their own would take any certificate. It is named at start.
delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;

const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

const code = await runCommandLine(
  process.argv.slice(2),
  {
    environment,
    folder: process.cwd(),
    input: process.stdin,
    isTerminal: process.stdout.isTTY === true,
    write: write(process.stdout, ''),
    print: write(process.stdout, '\n'),
    complain: write(process.stderr, '\n'),
  },
  async () => (await import('./roles.node.ts')).roles,
  manifest.version,
);
// Pipes may still hold what was written (on macOS they do).
await new Promise((resolve) => process.stdout.write('', resolve));
// A role that ended in order leaves nothing behind that should keep the process alive.
process.exit(code);

/** Prints an uncaught error in one line. */
function crash(error: unknown): never {
  write(process.stderr, '\n')(errorLine(error));
  process.exit(EXIT.failed);
}
