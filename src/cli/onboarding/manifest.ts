import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ChannelModule } from '../../channels/module.ts';
import type { Manifest } from '../../channels/onboarding.node.ts';
import { plugs } from '../../channels/registry.node.ts';
import { EXIT, Exit, type Io } from '../io.ts';
import { contextOf, loadOnboarding, withUsage } from './context.ts';

interface Options {
  readonly url?: string;
  readonly tenant: string;
  readonly name: string;
  readonly out?: string;
  readonly link?: boolean;
}

export function registerManifest(program: Command, io: Io): void {
  const manifest = program.command('manifest').description("the app's manifest, for the vendor to take");
  for (const module of plugs.modules as readonly ChannelModule[]) {
    const offer = module.onboarding?.manifest;
    if (offer === undefined) continue;
    const command = manifest
      .command(module.name)
      .description(offer.description)
      .option('--url <url>', 'where the vendor reaches the gate (default: SALLYPORT_PUBLIC_URL)')
      .option('--tenant <tenant>', 'whose hook the app calls', 'default')
      .option('--name <name>', 'what the app is called', 'Sallyport');
    if (offer.isBinary) command.requiredOption('--out <file>', 'the file to write');
    else command.option('--out <file>', 'write it to this file instead');
    if (offer.hasLink) command.option('--link', 'print the link alone');
    for (const { flags, description } of offer.options) command.option(flags, description);
    command.action((options: Options) => write(module, options, io));
  }
}

async function write({ name: channel }: ChannelModule, options: Options, io: Io): Promise<void> {
  const onboarding = await loadOnboarding(channel);
  const context = await contextOf(channel, options, io);
  const { content, link, next } = withUsage((): Manifest | undefined =>
    onboarding.manifest?.({ ...context, name: options.name, options: { ...options } }),
  ) ?? { content: '', next: [] };
  if (options.link) return io.print(link ?? '');
  if (options.out === undefined) io.print(String(content));
  else {
    await writeFile(resolve(io.folder, options.out), content).catch(({ code }: NodeJS.ErrnoException) => {
      throw new Exit(EXIT.failed, `--out: cannot be written (${code})`);
    });
    io.complain(`wrote ${options.out}`);
  }
  if (link !== undefined) io.complain(`create the app: ${link}`);
  for (const step of next) io.complain(`then: ${step}`);
}
