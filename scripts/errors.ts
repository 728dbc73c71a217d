// Writes the tables of docs/errors.md from the codes and remedies as the code declares them: `npm run docs:errors`.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { remedyTables } from '../src/app/control.node.ts';
import { channelModules } from '../src/channels/registry.ts';
import { errorCodes, isRetryable, statusOf, titleOf } from '../src/core/errors.ts';
import { codeRemedies, type Remedies } from '../src/core/remedies.ts';

const FILE = fileURLToPath(new URL('../docs/errors.md', import.meta.url));

const { channels, model, agent, guardrail, network } = remedyTables(channelModules);

/** By the name of its mark in the page. */
const causes: Readonly<Record<string, Remedies>> = { ...channels, model, agent, guardrail, network };

/** The page with its tables written anew. */
export function withErrors(page: string): string {
  return page.replace(
    /(<!-- errors: (\w+) -->\n)[\s\S]*?(<!-- \/errors -->)/g,
    (_, start: string, which: string, end: string) => `${start}${tableOf(which)}${end}`,
  );
}

function tableOf(which: string): string {
  if (which !== 'codes') {
    const rows = Object.entries(causes[which] ?? {}).map(([cause, remedy]) => [`\`${cause}\``, remedy]);
    return table(['cause', 'remedy'], rows);
  }
  const rows = errorCodes.map((code) => {
    const retry = isRetryable(code) ? 'again' : '';
    return [`\`${code}\``, String(statusOf(code)), retry, titleOf(code), codeRemedies[code]];
  });
  return table(['code', 'status', 'attempt', 'means', 'remedy'], rows);
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`.replace(/ {2,}/g, ' ')).join('');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(FILE, withErrors(await readFile(FILE, 'utf8')));
}
