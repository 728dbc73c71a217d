import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { callApi } from '../access.ts';
import { type GateOptions, withGateOptions } from '../gate.ts';
import { columns, EXIT, Exit, type Io, inLine } from '../io.ts';

const row = z.object({
  id: z.string(),
  channel: z.string(),
  conversation: z.string(),
  state: z.string(),
  digest: z.string(),
  text: z.string(),
  question: z.string().optional(),
  destination: z.record(z.string(), z.unknown()),
  requester: z.object({ id: z.string() }),
  expiresAt: z.string(),
});
const page = z.object({ reviews: z.array(row), cursor: z.string().nullable() });
type Row = z.output<typeof row>;

interface Common extends GateOptions {
  readonly json?: boolean;
}
interface ListOptions extends Common {
  readonly limit: string;
  readonly cursor?: string;
}
interface DecideOptions extends Common {
  readonly digest?: string;
  readonly text?: string;
  readonly reason?: string;
}

/** What each decision says besides the digest. */
const verbs = [
  ['approve', 'send the held reply, exactly as it is shown'],
  ['edit', 'put another text in its place; it waits on, under a new digest'],
  ['reject', 'end the event without a reply'],
] as const;

export function registerReviews(program: Command, io: Io): void {
  const reviews = program.command('reviews').description('replies that wait for a person (over HTTP)');
  withGateOptions(reviews.command('list', { isDefault: true }))
    .description('newest first')
    .option('--limit <n>', 'rows, 1 to 200', '50')
    .option('--cursor <cursor>', 'go on after the page that printed it')
    .action(({ json, tenant, url, insecure, ...filter }: ListOptions) =>
      list(io, { tenant, url, insecure }, json, filter),
    );
  withGateOptions(reviews.command('show <id>'))
    .description('the text, where it goes, and the digest of both')
    .action(async (id: string, { json, ...gate }: Common) => {
      const found = await callApi(io, gate, 'GET', path(id));
      io.print(json ? JSON.stringify(found, null, 2) : describe(row.parse(found)));
    });
  for (const [verb, description] of verbs) {
    const command = withGateOptions(reviews.command(`${verb} <id>`))
      .description(description)
      .option(
        '--digest <digest>',
        'decide about the text with this digest only; without it, about the one shown now (approve: at a terminal)',
      );
    if (verb === 'edit') command.requiredOption('--text <text>', 'what shall be sent instead');
    if (verb === 'reject') command.option('--reason <reason>', 'kept with the event');
    command.action((id: string, options: DecideOptions) => decide(io, verb, id, options));
  }
}

async function list(
  io: Io,
  gate: GateOptions,
  json: boolean | undefined,
  filter: Omit<ListOptions, keyof Common>,
): Promise<void> {
  const answer = await callApi(io, gate, 'GET', `/reviews?${new URLSearchParams({ ...filter })}`);
  if (json) return io.print(JSON.stringify(answer, null, 2));
  const { reviews, cursor } = page.parse(answer);
  for (const one of reviews) io.print(line(one));
  if (reviews.length === 0) io.complain('nothing waits for a review');
  if (cursor !== null) io.complain(`more: --cursor ${inLine(cursor)}`);
}

/** Without a digest, decides about what it has just shown: a text that changes in between is refused by the gate. */
async function decide(io: Io, verb: (typeof verbs)[number][0], id: string, options: DecideOptions): Promise<void> {
  const { json, digest, text, reason, ...gate } = options;
  if (digest === undefined && verb === 'approve' && !isTerminal(io)) {
    throw new Exit(EXIT.usage, 'approve: needs --digest where nobody can be asked; `sallyport reviews show` prints it');
  }
  const seen = digest ?? (await showFirst(io, gate, id));
  if (digest === undefined && verb === 'approve') await confirmed(io);
  const body = { digest: seen, ...defined({ text, reason }) };
  const answer = await callApi(io, gate, 'POST', `${path(id)}/${verb}`, body);
  io.print(json ? JSON.stringify(answer, null, 2) : line(row.parse(answer)));
}

/** On standard error, so that what `--json` prints stays JSON. */
async function showFirst(io: Io, gate: GateOptions, id: string): Promise<string> {
  const shown = row.parse(await callApi(io, gate, 'GET', path(id)));
  io.complain(describe(shown));
  return shown.digest;
}

const isTerminal = ({ input }: Io): boolean => 'isTTY' in input && input.isTTY === true;

/** Somebody at a terminal has just seen the text for the first time. */
async function confirmed(io: Io): Promise<void> {
  io.complain('Send this? [y/N]');
  const lines = createInterface({ input: io.input });
  const answer = await new Promise<string>((resolve) => {
    lines.once('line', resolve);
    lines.once('close', () => resolve(''));
  });
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new Exit(EXIT.failed, 'nothing was decided');
}

const path = (id: string): string => `/reviews/${encodeURIComponent(id)}`;

const line = ({ id, channel, conversation, state, requester, expiresAt, digest }: Row): string =>
  columns([id, channel, conversation, state, `asked-by=${requester.id}`, `expires=${expiresAt}`, `digest=${digest}`]);

const describe = (shown: Row): string => {
  // Marked line by line: a question cannot look like the text that would be sent.
  const quoted = shown.question?.split('\n').map((one) => `> ${one}`) ?? [];
  return [line(shown), `to: ${JSON.stringify(shown.destination)}`, '', ...quoted, '', shown.text, ''].join('\n');
};
