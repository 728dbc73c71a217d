import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { createDnsResolve } from '../../net/guard/resolve.ts';
import { parseResolveOptions, verdictOfLine, verdictOfUrl } from '../check-url-lines.ts';
import { EXIT, Exit, type Io } from '../io.ts';

interface Options {
  readonly resolve: readonly string[];
}

const collect = (value: string, previous: readonly string[]): readonly string[] => [...previous, value];

export function registerCheckUrl(program: Command, io: Io): void {
  program
    .command('check-url <url>')
    .description('would the outbound guard fetch this URL? "-" reads JSON lines { url, resolve?, redirect? }')
    .option('--resolve <host=ip[,ip...]>', 'answer for this name instead of asking name servers', collect, [])
    .action(async (url: string, { resolve }: Options) => {
      const overrides = parseResolveOptions(resolve);
      if (overrides === null) throw new Exit(EXIT.usage, '--resolve: must be host=ip[,ip...]');
      if (url === '-') return judgeLines(io);
      const verdict = await verdictOfUrl(url, overrides, createDnsResolve());
      io.print(JSON.stringify(verdict));
      if (verdict.verdict === 'blocked') throw new Exit(EXIT.failed);
    });
}

/** One verdict a line, in the order of the lines. */
async function judgeLines(io: Io): Promise<void> {
  const resolve = createDnsResolve();
  for await (const line of createInterface({ input: io.input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() !== '') io.print(JSON.stringify(await verdictOfLine(line, resolve)));
  }
}
