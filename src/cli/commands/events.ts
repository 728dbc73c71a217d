import type { Command } from 'commander';
import * as z from 'zod';
import { callApi } from '../access.ts';
import { columns, type Io, inLine } from '../io.ts';

const row = z.object({
  id: z.string(),
  channel: z.string(),
  kind: z.string(),
  state: z.string(),
  attempts: z.number(),
  receivedAt: z.string(),
  failure: z.object({ code: z.string() }).optional(),
});
const page = z.object({ events: z.array(row), cursor: z.string().nullable() });

interface Common {
  readonly json?: boolean;
  readonly tenant: string;
}
interface ListOptions extends Common {
  readonly state?: string;
  readonly channel?: string;
  readonly limit: string;
  readonly cursor?: string;
}
interface ResolveOptions extends Common {
  readonly effect: string;
  readonly outcome: string;
}

const line = ({ id, channel, kind, state, attempts, receivedAt, failure }: z.output<typeof row>): string =>
  columns([id, receivedAt, channel, kind, state, `attempts=${attempts}`, failure?.code ?? '']);

export function registerEvents(program: Command, io: Io): void {
  const events = program.command('events').description('what was accepted and what became of it (over HTTP)');
  const common = (command: Command): Command =>
    command.option('--json', 'print the API answer').option('--tenant <tenant>', 'tenant of a minted token', 'default');
  common(events.command('list', { isDefault: true }))
    .description('newest first')
    .option('--state <state>', 'only this state')
    .option('--channel <channel>', 'only this channel')
    .option('--limit <n>', 'rows, 1 to 200', '50')
    .option('--cursor <cursor>', 'go on after the page that printed it')
    .action(async ({ json, tenant, ...filter }: ListOptions) => {
      const answer = await callApi(io, tenant, 'GET', `/events?${new URLSearchParams(filter)}`);
      if (json) return io.print(JSON.stringify(answer, null, 2));
      const { events: rows, cursor } = page.parse(answer);
      for (const one of rows) io.print(line(one));
      if (rows.length === 0) io.complain('no events');
      if (cursor !== null) io.complain(`more: --cursor ${inLine(cursor)}`);
    });
  common(events.command('show <id>'))
    .description('one event with its runs')
    .action(async (id: string, { tenant }: Common) => {
      io.print(JSON.stringify(await callApi(io, tenant, 'GET', `/events/${encodeURIComponent(id)}`), null, 2));
    });
  for (const [verb, description] of [
    ['redrive', 'run a parked event again, as a new generation'],
    ['park', 'take an event out of its queue until it is redriven'],
  ] as const) {
    common(events.command(`${verb} <id>`))
      .description(description)
      .action(async (id: string, { json, tenant }: Common) => {
        const answer = await callApi(io, tenant, 'POST', `/events/${encodeURIComponent(id)}/${verb}`);
        io.print(json ? JSON.stringify(answer, null, 2) : line(row.parse(answer)));
      });
  }
  common(events.command('resolve <id>'))
    .description('say what became of an effect nobody knows about (ERR_AMBIGUOUS_EFFECT)')
    .requiredOption('--effect <step>', 'its step, e.g. reply')
    .requiredOption('--outcome <outcome>', 'delivered: the event is done; not_delivered: it may be redriven')
    .action(async (id: string, { json, tenant, effect, outcome }: ResolveOptions) => {
      const path = `/events/${encodeURIComponent(id)}/resolve`;
      const answer = await callApi(io, tenant, 'POST', path, { effect, outcome });
      io.print(json ? JSON.stringify(answer, null, 2) : line(row.parse(answer)));
    });
}
