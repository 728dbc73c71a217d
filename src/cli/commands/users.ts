import type { Command } from 'commander';
import * as z from 'zod';
import { callApi } from '../access.ts';
import { type GateOptions, withGateOptions } from '../gate.ts';
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

interface Options extends GateOptions {
  readonly json?: boolean;
}

export function registerUsers(program: Command, io: Io): void {
  const users = program.command('users').description('people whom the gate has heard of (over HTTP)');
  withGateOptions(users.command('erase <channel> <user>'))
    .description('erase what a person said and what was made of it; what has not ended never runs')
    .action(async (channel: string, user: string, { json, ...gate }: Options) => {
      const erased = await eraseAll(io, gate, channel, user);
      io.print(json ? JSON.stringify(erased, null, 2) : line(erased));
    });
}

/** Calls until everything has been looked at. The counts are those of all calls. */
async function eraseAll(io: Io, gate: GateOptions, channel: string, user: string): Promise<Answer> {
  // A slash must not stand in a path, encoded or not.
  const inQuery = user.includes('/') || user === '-';
  const path = `/users/${encodeURIComponent(channel)}/${inQuery ? '-' : encodeURIComponent(user)}`;
  let [events, cancelled] = [0, 0];
  for (let cursor: string | null = null; ; ) {
    const query = new URLSearchParams({ ...(inQuery ? { user } : {}), ...(cursor === null ? {} : { cursor }) });
    const page = answer.parse(await callApi(io, gate, 'DELETE', query.size === 0 ? path : `${path}?${query}`));
    events += page.events;
    cancelled += page.cancelled;
    cursor = page.cursor;
    if (page.complete || cursor === null) return { ...page, events, cancelled };
  }
}

const line = ({ id, events, cancelled, turns, answers, files }: Answer): string =>
  columns([id, `events=${events}`, `cancelled=${cancelled}`, `turns=${turns}`, `answers=${answers}`, `files=${files}`]);
