import type { Command } from 'commander';
import type { ChannelModule } from '../../channels/module.ts';
import type { Setup } from '../../channels/onboarding.node.ts';
import { plugs } from '../../channels/registry.node.ts';
import type { Io } from '../io.ts';
import { contextOf, loadOnboarding, withUsage } from './context.ts';

interface Options {
  readonly url?: string;
  readonly tenant: string;
}

export function registerSetup(program: Command, io: Io): void {
  const setup = program
    .command('setup')
    .description("the vendor's commands for these settings, as a shell script with the reason of each step");
  for (const { name, onboarding } of plugs.modules as readonly ChannelModule[]) {
    if (!onboarding?.hasSetup) continue;
    setup
      .command(name)
      .description(`what ${name} needs at its vendor; nothing is run`)
      .option('--url <url>', 'where the vendor reaches the gate (default: SALLYPORT_PUBLIC_URL)')
      .option('--tenant <tenant>', 'whose hook the vendor calls', 'default')
      .action((options: Options) => print(name, options, io));
  }
}

async function print(channel: ChannelModule['name'], options: Options, io: Io): Promise<void> {
  const { environment, setup } = await loadOnboarding(channel);
  const context = await contextOf(channel, options, io);
  const { steps, appended } = withUsage((): Setup | undefined => setup?.(context)) ?? { steps: [], appended: [] };
  io.print('#!/bin/sh\n# Read each step before you run it. What is secret goes into .env and is not shown.\nset -eu');
  for (const [index, { title, why, commands = [] }] of steps.entries()) {
    const lines = [`# ${index + 1}. ${title}`, ...why.map((line) => `#    ${line}`), ...commands];
    io.print(['', ...lines].join('\n'));
  }
  const set = environment.map((name) => `#    ${name}=${appended.includes(name) ? '   (appended above)' : ''}`);
  io.print(['', `# ${steps.length + 1}. Set these in .env or in the environment of the gate`, ...set].join('\n'));
}
