import type { Command } from 'commander';
import * as z from 'zod';
import { callApi } from '../access.ts';
import { type GateOptions, withGateOptions } from '../gate.ts';
import { columns, EXIT, Exit, type Io } from '../io.ts';

const row = z.object({
  channel: z.string(),
  name: z.string(),
  state: z.string(),
  expiresAt: z.string().nullable(),
  lastEventAt: z.string().nullable(),
  code: z.string().optional(),
});
const answer = z.object({ checkedAt: z.string().nullable(), subscriptions: z.array(row) });
type Answer = z.output<typeof answer>;

const wish = z.object({ requestedAt: z.string() });

interface Options extends GateOptions {
  readonly json?: boolean;
}

/** Milliseconds between looks, and until a person stops waiting: a keeper answers a wish within seconds. */
const EVERY_MS = 500;
const TIMEOUT_MS = 60_000;

const line = ({ channel, name, state, expiresAt, lastEventAt, code }: z.output<typeof row>): string =>
  columns([channel, name, state, `expires=${expiresAt ?? '-'}`, `last-event=${lastEventAt ?? '-'}`, code ?? '']);

export function registerSubscriptions(program: Command, io: Io): void {
  const subscriptions = program
    .command('subscriptions')
    .description('what the vendors send and until when (over HTTP)');
  withGateOptions(subscriptions.command('list', { isDefault: true }))
    .description('what the keeper found when it last looked')
    .action(async (options: Options) => show(await read(io, options), options, io));
  withGateOptions(subscriptions.command('sync'))
    .description('have the keeper look now, and wait for it; exit 1 when something has lapsed')
    .action(async (options: Options) => {
      const found = await sync(io, options);
      show(found, options, io);
      if (found.subscriptions.some(({ state }) => state === 'lapsed'))
        throw new Exit(EXIT.failed, 'something has lapsed');
    });
}

const read = async (io: Io, gate: GateOptions): Promise<Answer> =>
  answer.parse(await callApi(io, gate, 'GET', '/subscriptions'));

async function sync(io: Io, gate: GateOptions): Promise<Answer> {
  const { requestedAt } = wish.parse(await callApi(io, gate, 'POST', '/subscriptions/sync'));
  const giveUpAt = Date.now() + TIMEOUT_MS;
  while (Date.now() < giveUpAt) {
    const found = await read(io, gate);
    if (found.checkedAt !== null && Date.parse(found.checkedAt) >= Date.parse(requestedAt)) return found;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Exit(
    EXIT.failed,
    `no worker looked within ${TIMEOUT_MS / 1000} s: is one running, and is anything to be kept?`,
  );
}

function show(found: Answer, { json }: Options, io: Io): void {
  if (json) {
    io.print(JSON.stringify(found, null, 2));
    return;
  }
  for (const one of found.subscriptions) io.print(line(one));
  if (found.subscriptions.length === 0) io.complain('no subscriptions are kept');
}
