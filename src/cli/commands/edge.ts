import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { Command } from 'commander';
import * as z from 'zod';
import type { ChannelModule } from '../../channels/module.ts';
import { plugs } from '../../channels/registry.node.ts';
import { loadEdgeConfig } from '../../config/edge.ts';
import { callEdge, type EdgeOutbox, outboxShape } from '../edge-access.ts';
import { columns, EXIT, Exit, type Io, inLine } from '../io.ts';

interface Common {
  readonly url: string;
  readonly json?: boolean;
}

const changed = z.object({ event: z.string(), shard: z.string(), outcome: z.string() });

export function registerEdge(program: Command, io: Io): void {
  const edge = program
    .command('edge')
    .description('operate the edge: what waits and what is parked there (over HTTP, signed with SALLYPORT_RELAY_KEY)');
  const common = (command: Command): Command =>
    command.requiredOption('--url <url>', 'the edge').option('--json', "print the edge's answer");
  common(edge.command('outbox'))
    .description('each shard, and parked events; at most 100 of a shard, the earliest first')
    .action(async ({ url, json }: Common) => {
      const { answer, value } = await callEdge(io, { url, method: 'GET', path: '/outbox', shape: outboxShape });
      if (json) return io.print(JSON.stringify(answer, null, 2));
      const { shards, parked } = value;
      for (const one of shards) io.print(shardLine(one));
      for (const { event, shard, parkedAt, reason, bytes } of parked) {
        io.print(columns([event, parkedAt, shard, reason, `bytes=${bytes}`]));
      }
      if (parked.length === 0) io.complain('no parked events');
    });
  for (const [verb, description] of [
    ['resend', 'send a parked event to the origin again'],
    ['drop', 'delete a parked event'],
  ] as const) {
    common(edge.command(`${verb} <id>`))
      .description(description)
      .action(async (id: string, { url, json }: Common) => {
        const path = `/outbox/${encodeURIComponent(id)}/${verb}`;
        const { answer, value } = await callEdge(io, { url, method: 'POST', path, shape: changed });
        io.print(json ? JSON.stringify(answer, null, 2) : columns([value.event, value.shard, value.outcome]));
      });
  }
  edge
    .command('check')
    .description('check the settings of a Worker before it is deployed')
    .option('--vars <file>', 'all of them, in the form of .env', '.dev.vars')
    .action(async ({ vars }: { readonly vars: string }) => {
      const text = await readFile(resolve(io.folder, vars), 'utf8').catch(() => {
        throw new Exit(EXIT.config, inLine(`${vars}: cannot be read`));
      });
      const loaded = loadEdgeConfig({}, parseEnv(text));
      if (!loaded.ok) throw new Exit(EXIT.config, ['configuration is not valid:', ...loaded.problems].join('\n  '));
      const { edge: chosen, tenants } = loaded.config;
      // Callers of the API deliver to the origin.
      const hooked = plugs.modules.filter((one: ChannelModule) => one.callers === undefined).map(({ name }) => name);
      const channels = Object.values(tenants).flatMap((one) => hooked.filter((name) => Reflect.has(one, name)));
      io.print(columns(['ok', `channels=${channels.join(',')}`, `shards=${chosen.shards}`]));
    });
}

function shardLine(shard: EdgeOutbox['shards'][number]): string {
  if (!shard.answered) return columns([shard.shard, 'does not answer']);
  const { waiting, parked, oldestAt, blocked } = shard;
  return columns([
    ...[shard.shard, `waiting=${waiting.events}`, `parked=${parked.events}`],
    ...(oldestAt === null ? [] : [`oldest=${oldestAt}`]),
    ...(blocked === null ? [] : [`blocked=${blocked.reason}`]),
  ]);
}
