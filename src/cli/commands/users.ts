import type { Command } from 'commander';
import * as z from 'zod';
import { callApi } from '../access.ts';
import { columns, type Io } from '../io.ts';

const answer = z.object({
  id: z.string(),
  complete: z.boolean(),
  cursor: z.string().nullable(),
  events: z.number(),
  cancelled: z.number(),
  turns: z.number(),
  answers: z.number(),
  files: z.string(),
});
type Answer = z.output<typeof answer>;

interface Options {
  readonly json?: boolean;
  readonly tenant: string;
}

export function registerUsers(program: Command, io: Io): void {
  program
    .command('users')
    .description('people whom the gate has heard of (over HTTP)')
    .command('erase <channel> <user>')
    .description('erase what a person said and what was made of it; what has not ended never runs')
    .option('--json', 'print the API answer')
    .option('--tenant <tenant>', 'tenant of a minted token', 'default')
    .action(async (channel: string, user: string, { json, tenant }: Options) => {
      const erased = await eraseAll(io, tenant, channel, user);
      io.print(json ? JSON.stringify(erased, null, 2) : line(erased));
    });
}

/** Calls until everything has been looked at. The counts are those of all calls. */
async function eraseAll(io: Io, tenant: string, channel: string, user: string): Promise<Answer> {
  // A slash must not stand in a path, encoded or not.
  const inQuery = user.includes('/') || user === '-';
  const path = `/users/${encodeURIComponent(channel)}/${inQuery ? '-' : encodeURIComponent(user)}`;
  let [events, cancelled] = [0, 0];
  for (let cursor: string | null = null; ; ) {
    const query = new URLSearchParams({ ...(inQuery ? { user } : {}), ...(cursor === null ? {} : { cursor }) });
    const page = answer.parse(await callApi(io, tenant, 'DELETE', query.size === 0 ? path : `${path}?${query}`));
    events += page.events;
    cancelled += page.cancelled;
    cursor = page.cursor;
    if (page.complete || cursor === null) return { ...page, events, cancelled };
  }
}

const line = ({ id, events, cancelled, turns, answers, files }: Answer): string =>
  columns([id, `events=${events}`, `cancelled=${cancelled}`, `turns=${turns}`, `answers=${answers}`, `files=${files}`]);
