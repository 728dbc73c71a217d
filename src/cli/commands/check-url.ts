import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import * as z from 'zod';
import { createDnsResolve, type Resolve } from '../../net/guard/resolve.ts';
import { checkUrlVerdict, hostKey, type UrlVerdict } from '../../net/guard/verdict.ts';
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

const addresses = z.array(z.string());
const redirect = z.object({ status: z.number().int().default(302), location: z.string().optional() });

/** A line of `sallyport check-url -`; fields of other programs are left alone. */
const lineSchema = z.object({
  url: z.string(),
  resolve: z.record(z.string(), z.union([addresses, z.object({ sequence: z.array(addresses) })])).nullish(),
  redirect: z.union([redirect, z.array(redirect)]).nullish(),
});

/**
 * Judges one JSON line `{ url, resolve?, redirect? }`. `resolve` answers for all names of the line; without it, name
 * servers are asked. A line that cannot be read is blocked.
 */
export async function verdictOfLine(line: string, resolve: Resolve): Promise<UrlVerdict> {
  const read = lineSchema.safeParse(parseJson(line));
  if (!read.success) return { url: '', verdict: 'blocked', reason: 'line-malformed' };
  const { url, resolve: answers, redirect: redirects } = read.data;
  const question = { url, resolve: answers ?? undefined, redirects: redirects == null ? [] : [redirects].flat() };
  return checkUrlVerdict(question, resolve);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Judges one URL; `overrides` answer for their names (`parseResolveOption`), name servers for the rest. */
export const verdictOfUrl = (url: string, overrides: ResolveOverrides, resolve: Resolve): Promise<UrlVerdict> =>
  checkUrlVerdict({ url }, async (host, context) => overrides.get(host) ?? resolve(host, context));

type ResolveOverrides = ReadonlyMap<string, readonly string[]>;

/**
 * Reads the values of `--resolve host=ip[,ip…]`; a host given twice has the addresses of both.
 * @returns null for a value that is not of that form.
 */
export function parseResolveOptions(values: readonly string[]): ResolveOverrides | null {
  const overrides = new Map<string, readonly string[]>();
  for (const value of values) {
    const [, host, list] = /^([^=]+)=(.+)$/.exec(value) ?? [];
    if (host === undefined || list === undefined) return null;
    const key = hostKey(host);
    overrides.set(key, [...(overrides.get(key) ?? []), ...list.split(',').map((address) => address.trim())]);
  }
  return overrides;
}
