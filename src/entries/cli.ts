import { readFile } from 'node:fs/promises';
import { runCommandLine } from '../cli/program.ts';
import { roles } from './roles.node.ts';

const write = (stream: NodeJS.WriteStream) => (text: string) => {
  stream.write(`${text}\n`);
};

const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

const code = await runCommandLine(
  process.argv.slice(2),
  {
    environment: process.env,
    folder: process.cwd(),
    input: process.stdin,
    print: write(process.stdout),
    complain: write(process.stderr),
  },
  roles,
  manifest.version,
);
// A role that ended in order leaves nothing behind that should keep the process alive.
process.exit(code);
