import type { Command } from 'commander';
import * as z from 'zod';
import { callApi } from '../access.ts';
import { type Asked, eventPage, eventShape } from '../event-page.ts';
import { type GateOptions, withGateOptions } from '../gate.ts';
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

interface Common extends GateOptions {
  readonly json?: boolean;
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

const review = z.object({ question: z.string(), requester: z.object({ id: z.string() }) });

/** What was asked is told with the reply that is held; null for a token that must not read reviews. */
async function askedOf(io: Io, gate: GateOptions, id: string): Promise<Asked | null> {
  try {
    const { question, requester } = review.parse(await callApi(io, gate, 'GET', `/reviews/${encodeURIComponent(id)}`));
    return { question, by: requester.id };
  } catch {
    return null;
  }
}

const line = ({ id, channel, kind, state, attempts, receivedAt, failure }: z.output<typeof row>): string =>
  columns([id, receivedAt, channel, kind, state, `attempts=${attempts}`, failure?.code ?? '']);

export function registerEvents(program: Command, io: Io): void {
  const events = program.command('events').description('what was accepted and what became of it (over HTTP)');
  withGateOptions(events.command('list', { isDefault: true }))
    .description('newest first')
    .option('--state <state>', 'only this state')
    .option('--channel <channel>', 'only this channel')
    .option('--limit <n>', 'rows, 1 to 200', '50')
    .option('--cursor <cursor>', 'go on after the page that printed it')
    .action(async ({ json, tenant, url, insecure, ...filter }: ListOptions) => {
      const answer = await callApi(io, { tenant, url, insecure }, 'GET', `/events?${new URLSearchParams(filter)}`);
      if (json) return io.print(JSON.stringify(answer, null, 2));
      const { events: rows, cursor } = page.parse(answer);
      for (const one of rows) io.print(line(one));
      if (rows.length === 0) io.complain('no events');
      if (cursor !== null) io.complain(`more: --cursor ${inLine(cursor)}`);
    });
  withGateOptions(events.command('show <id>'))
    .description('one event: who and where, its attempts and why they failed, cost, reply, next step')
    .action(async (id: string, { json, ...gate }: Common) => {
      const answer = await callApi(io, gate, 'GET', `/events/${encodeURIComponent(id)}`);
      if (json) return io.print(JSON.stringify(answer, null, 2));
      const event = eventShape.parse(answer);
      io.print(eventPage(event, event.state === 'review' ? await askedOf(io, gate, event.id) : null));
    });
  for (const [verb, description] of [
    ['redrive', 'run a parked event again, as a new generation'],
    ['park', 'take an event out of its queue until it is redriven'],
  ] as const) {
    withGateOptions(events.command(`${verb} <id>`))
      .description(description)
      .action(async (id: string, { json, ...gate }: Common) => {
        const answer = await callApi(io, gate, 'POST', `/events/${encodeURIComponent(id)}/${verb}`);
        io.print(json ? JSON.stringify(answer, null, 2) : line(row.parse(answer)));
      });
  }
  withGateOptions(events.command('resolve <id>'))
    .description('say what became of an effect nobody knows about (ERR_AMBIGUOUS_EFFECT)')
    .requiredOption('--effect <step>', 'its step, e.g. reply')
    .requiredOption('--outcome <outcome>', 'delivered: the event is done; not_delivered: it may be redriven')
    .action(async (id: string, { json, effect, outcome, ...gate }: ResolveOptions) => {
      const path = `/events/${encodeURIComponent(id)}/resolve`;
      const answer = await callApi(io, gate, 'POST', path, { effect, outcome });
      io.print(json ? JSON.stringify(answer, null, 2) : line(row.parse(answer)));
    });
}
