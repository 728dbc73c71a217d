import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { nodeCrypto } from '../../core/crypto/crypto.node.ts';
import { key32 } from '../../core/setting-values.ts';
import { createScrubReporter } from '../../scrub/scrub-report.ts';
import { readDevSecrets } from '../dev/secrets.ts';
import { EXIT, Exit, type Io, unreadableFile } from '../io.ts';
import { secretOf } from '../settings.ts';

export function registerScrub(program: Command, io: Io): void {
  program
    .command('scrub [file]')
    .description('replace the secrets of a file, or of standard input ("-"); exit 1 when there were any')
    .option('--json', 'print { findings, text } instead of the cleaned text')
    .action(async (file: string | undefined, { json }: { json?: boolean }) => {
      const text = await readText(file ?? '-', io);
      const report = createScrubReporter({ crypto: nodeCrypto, key: await digestKey(io) })(text);
      const { findings } = report;
      if (json) io.print(JSON.stringify({ findings, text: report.text }, null, 2));
      else io.write(report.text);
      if (findings.length === 0) return;
      if (!json) for (const { rule, line, count } of findings) io.complain(`line ${line}: ${rule} (${count})`);
      throw new Exit(EXIT.failed);
    });
}

async function readText(file: string, io: Io): Promise<string> {
  if (file === '-') return (await buffer(io.input)).toString('utf8');
  return readFile(resolve(io.folder, file), 'utf8').catch((error: unknown) => {
    throw unreadableFile(file, error);
  });
}

/** The gate's own key where there is one, so that the same secret has the same placeholder; a passing one otherwise. */
async function digestKey(io: Io): Promise<Uint8Array> {
  const given =
    (await secretOf(io, 'SALLYPORT_ID_KEY')) ?? (await readDevSecrets(io).catch(() => null))?.SALLYPORT_ID_KEY;
  const idKey = key32.safeParse(given ?? '').data;
  return idKey === undefined ? nodeCrypto.random(32) : nodeCrypto.hmacSha256(idKey, 'scrub');
}
