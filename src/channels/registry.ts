import type * as z from 'zod';
import type { ChannelName, InboundEvent } from '../core/event.ts';
import { chatModule } from './chat/module.ts';
import { gmailModule } from './gmail/module.ts';
import { graphModule } from './graph/module.ts';
import type { ChannelModule } from './module.ts';
import { slackModule } from './slack/module.ts';
import { teamsModule } from './teams/module.ts';

/** Every channel there is, in the order in which they are shown. `registry.node.ts` has their other halves. */
export const channelModules = [
  slackModule,
  graphModule,
  gmailModule,
  teamsModule,
  chatModule,
] as const satisfies readonly ChannelModule[];

/** The names that a path, a filter or a condition may hold. */
export const namesOf = (modules: readonly ChannelModule[]): readonly ChannelName[] => modules.map(({ name }) => name);

export const channelNames = namesOf(channelModules);

/** `ChannelModule.containerOf` of the event's channel. */
export function containerOf(event: Omit<InboundEvent, 'sealed'>): string {
  const module: ChannelModule | undefined = channelModules.find(({ name }) => name === event.channel);
  return module?.containerOf?.(event) ?? event.conversation.name;
}

type Modules = (typeof channelModules)[number];

/** Of each channel, by name: what a tenant may set of it, and how long its deliveries are remembered. */
export const channelSettings = byName((one) => one.settings.optional()) as {
  readonly [M in Modules as M['name']]: z.ZodOptional<M['settings']>;
};
export const channelWindows = byName((one) => one.window) as { readonly [M in Modules as M['name']]: M['window'] };

function byName(pick: (one: Modules) => unknown): unknown {
  return Object.fromEntries(channelModules.map((one) => [one.name, pick(one)]));
}
