import type { Command } from 'commander';
import * as z from 'zod';
import { callApi } from '../access.ts';
import { type GateOptions, withGateOptions } from '../gate.ts';
import { columns, EXIT, Exit, type Io } from '../io.ts';

const row = z.object({
  scope: z.string(),
  channel: z.string().optional(),
  resource: z.string(),
  window: z.string(),
  max: z.union([z.number(), z.literal('unlimited')]),
  setBy: z.string(),
  spent: z.number().optional(),
  reserved: z.number().optional(),
  resetsAt: z.string().nullish(),
});
const answer = z.object({ killed: z.boolean(), limits: z.array(row) });
type Row = z.output<typeof row>;

interface Common extends GateOptions {
  readonly json?: boolean;
}

export function registerBudgets(program: Command, io: Io): void {
  const budgets = program.command('budgets').description('what runs may use and have used (over HTTP)');
  withGateOptions(budgets.command('list', { isDefault: true }))
    .description('every limit, and what stands against it')
    .action(async ({ json, ...gate }: Common) => show(await callApi(io, gate, 'GET', '/budgets'), json, io));
  withGateOptions(budgets.command('set <scope> [limits...]'))
    .description('set limits of a scope, e.g. `set tenant usd/day=2.50 tokens/hour=unlimited`; without any, undo all')
    .action(async (scope: string, limits: readonly string[], { json, ...gate }: Common) => {
      const path = `/budgets/${encodeURIComponent(scope)}`;
      show(await callApi(io, gate, 'PUT', path, readLimits(limits)), json, io);
    });
  withGateOptions(budgets.command('kill <on|off>'))
    .description('on stops every model and tool call of the tenant at once, until off')
    .action(async (word: string, { json, ...gate }: Common) => {
      if (word !== 'on' && word !== 'off') throw new Exit(EXIT.usage, 'kill: must be on or off');
      const killed = await callApi(io, gate, 'POST', '/budgets/kill', { on: word === 'on' });
      io.print(json ? JSON.stringify(killed, null, 2) : `kill switch ${word}`);
    });
}

function show(found: unknown, json: boolean | undefined, io: Io): void {
  if (json) {
    io.print(JSON.stringify(found, null, 2));
    return;
  }
  const { killed, limits } = answer.parse(found);
  for (const one of limits) io.print(line(one));
  if (killed) io.complain('the kill switch is on: nothing runs (sallyport budgets kill off)');
}

/** Money is counted in micro-dollars and read in dollars. */
function line({ scope, channel, resource, window, max, setBy, spent, reserved, resetsAt }: Row): string {
  const isMoney = resource === 'usdMicros';
  const amount = (count: number): string => (isMoney ? (count / 1e6).toFixed(6).replace(/0{1,4}$/, '') : String(count));
  return columns([
    channel === undefined ? scope : `${scope}:${channel}`,
    `${isMoney ? 'usd' : resource}/${window}`,
    `max=${max === 'unlimited' ? max : amount(max)}`,
    ...(spent === undefined ? [] : [`spent=${amount(spent)}`, `reserved=${amount(reserved ?? 0)}`]),
    ...(resetsAt ? [`resets=${resetsAt}`] : []),
    ...(setBy === 'operator' ? ['set-by-operator'] : []),
  ]);
}

/** `usd/day=2.50` and the like, as the API takes them. @throws Exit 2 */
function readLimits(limits: readonly string[]): Record<string, Record<string, number | 'unlimited'>> {
  const read: Record<string, Record<string, number | 'unlimited'>> = {};
  for (const text of limits) {
    const [, resource, window, max] = /^([A-Za-z]+)\/([a-z]+)=(unlimited|\d{1,12}(?:\.\d{1,6})?)$/.exec(text) ?? [];
    if (!resource || !window || !max)
      throw new Exit(EXIT.usage, 'limits: must be like usd/day=2.50 or runs/hour=unlimited');
    const name = resource === 'usd' ? 'usdMicros' : resource;
    const value = resource === 'usd' ? Math.round(Number(max) * 1e6) : Number(max);
    read[name] = { ...read[name], [window]: max === 'unlimited' ? max : value };
  }
  return read;
}
