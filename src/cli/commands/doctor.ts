import type { Command } from 'commander';
import { unknownSettings } from '../../config/environment.ts';
import type { Config } from '../../config/schema.ts';
import { nodeCrypto } from '../../core/crypto/crypto.node.ts';
import { createRelayKeys } from '../../core/relay.ts';
import { readDevSecrets } from '../dev/secrets.ts';
import { callEdge, outboxShape } from '../edge-access.ts';
import { EXIT, Exit, type Io, inLine } from '../io.ts';
import { loadSettings } from '../settings.ts';
import type { Roles } from './serve.ts';

export function registerDoctor(program: Command, io: Io, roles: () => Promise<Roles>): void {
  program
    .command('doctor')
    .description('check configuration, store, clock, credentials and public URL; exit 1 on any failure')
    .option('--edge <url>', 'also whether this edge and this gate have the same keys')
    .action(async ({ edge }: { readonly edge?: string }) => {
      const { config, withoutEffect } = await loadSettings(io, 'all', (await readDevSecrets(io)) ?? {});
      io.print('ok    configuration');
      for (const { name, meant } of unknownSettings(io.environment)) {
        const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
        io.print(inLine(`WARN  ${name}: is not a setting, and ignored${hint}`));
      }
      for (const name of withoutEffect) io.print(inLine(`WARN  ${name}: has no effect with the other settings`));
      let failures = 0;
      const checks = [...(await (await (await roles()).examine())(config))];
      if (edge !== undefined) checks.push({ name: 'edge', run: () => edgeKeys(io, edge, config) });
      for (const { name, run } of checks) {
        try {
          const said = await run();
          if (said === null) io.print(inLine(`-     ${name}: not configured`));
          else if (typeof said === 'string') io.print(inLine(`ok    ${name}: ${said}`));
          else io.print(inLine(`WARN  ${name}: ${said.warning}`));
        } catch (error) {
          failures += 1;
          io.print(inLine(`FAIL  ${name}: ${error instanceof Error ? error.message : 'unknown failure'}`));
        }
      }
      if (failures > 0) throw new Exit(EXIT.failed, `${failures} of the checks failed`);
    });
}

/** The edge proves nothing here but that it takes our key: what it answers is compared. */
async function edgeKeys(io: Io, url: string, { relay }: Config): Promise<string> {
  const call = { url, option: '--edge', method: 'GET', path: '/outbox', shape: outboxShape } as const;
  const { keys, shards } = (await callEdge(io, call)).value;
  const own = createRelayKeys(relay.keys ?? [], nodeCrypto).map(({ id }) => id);
  const [signing = 'none'] = keys;
  if (!own.includes(signing)) throw new Error(`it signs with the key ${signing}, which this gate does not have`);
  const blocked = shards.filter((one) => one.answered && one.blocked !== null).length;
  return `key ${signing} signs; ${blocked} of ${shards.length} shards forward nothing`;
}
