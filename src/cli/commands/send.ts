import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { ChannelModule } from '../../channels/module.ts';
import { plugs } from '../../channels/registry.node.ts';
import {
  type SampleChoices,
  SampleError,
  type Sender,
  type SendOptions,
  type SignedDelivery,
  type Tamper,
  type TokenSpoil,
  tamperModes,
} from '../../channels/sample.node.ts';
import type { ChannelName } from '../../core/event.ts';
import { integer, tenantName } from '../../core/setting-values.ts';
import { apiToken, isSallyport, notSallyport, spoiledToken } from '../access.ts';
import { awaitEvent, awaitReply } from '../await-reply.ts';
import { dataFolderOf } from '../configuration-file.ts';
import { readDevIdentity } from '../dev/vendors.ts';
import { findGate, type Gate, otherGate } from '../gate.ts';
import { EXIT, Exit, type Io, inLine, unreadableFile } from '../io.ts';
import { secretOf, toolSettings } from '../settings.ts';

interface Options extends SampleChoices {
  readonly text: string;
  readonly file?: string;
  readonly url?: string;
  readonly insecure?: boolean;
  readonly tenant: string;
  readonly times: string;
  readonly concurrency: string;
  readonly wait?: boolean;
  readonly tamper?: Tamper;
}

/** Each choice as commander reads it, and what it says. */
const choices: Readonly<Record<keyof SampleChoices, readonly [string, string]>> = {
  thread: ['--thread <id>', 'the conversation it belongs to (Slack: the ts of its first message)'],
  mention: ['--mention', 'in a channel, with a mention of the app'],
  channel: ['--channel <id>', 'where it was written (default: a direct message)'],
  user: ['--user <id>', 'who wrote it'],
  command: ['--command </name>', 'a slash command, of which --text is the rest'],
  button: ['--button <action>', 'a pressed button with this action_id, of which --text is the value'],
};

export function registerSend(program: Command, io: Io): void {
  const send = program.command('send').description('send signed deliveries, or deliberately wrong ones, to a gate');
  const kinds = plugs.modules.flatMap(({ name, samples, sampleChoices = [] }: ChannelModule) =>
    samples.map((kind) => ({ name, kind, sampleChoices })),
  );
  for (const { name, kind, sampleChoices } of kinds) {
    const command = send
      .command(kind)
      .description(`a ${kind} delivery; exit 0 when the gate did what a correct gate does`)
      .option('--text <text>', 'what the message says', 'hello')
      .option('--file <payload.json>', 'send this payload instead')
      .option('--url <url>', 'the gate, or the whole URL of a hook or of another app (default: as of every command)')
      .option('--insecure', 'speak plain http to another host (SALLYPORT_URL_INSECURE=1)')
      .option('--tenant <tenant>', 'whose hook', 'default')
      .option('--times <n>', 'how often', '1')
      .option('--concurrency <n>', 'how many at once', '1')
      .option('--wait', 'wait for the run and print its reply')
      .addOption(new Option('--tamper <mode>', 'spoil it').choices(tamperModes))
      .action((options: Options) => run({ name, kind }, options, io));
    for (const choice of sampleChoices) command.option(...choices[choice]);
  }
}

interface Kind {
  readonly name: ChannelName;
  readonly kind: string;
}

/** Makes one kind of delivery with what is known here. */
async function openSender({ name, kind }: Kind, gate: Gate, io: Io) {
  const sample = await (await plugs.halves[name]?.())?.sample();
  const sender = sample?.senders[kind];
  if (sample === undefined || sender === undefined) throw new Error(`${name} has no sample ${kind}`);
  const context = {
    environment: io.environment,
    dataFolder: await dataFolderOf(io),
    secret: (variable: string) => secretOf(io, variable),
    async settings(tenant: string): Promise<unknown> {
      const { tenants } = await toolSettings(io);
      const settingsOf = (one: string): unknown => Reflect.get(tenants[one] ?? {}, name);
      return settingsOf(tenant) ?? settingsOf('default');
    },
    token: (tenant: string, spoil?: TokenSpoil) =>
      spoil === undefined ? apiToken(io, tenant, gate.devToken) : spoiledToken(spoil, tenant, io),
    dev: () => readDevIdentity(sample.standIn, io),
  };
  return {
    path: sender.path,
    statuses: sender.statuses,
    /** @throws Exit with the code of what went wrong */
    deliveries: (options: SendOptions): Promise<readonly SignedDelivery[]> =>
      sender.deliveries(options, context).catch((error: unknown) => {
        throw error instanceof SampleError ? new Exit(EXIT[error.kind], error.message) : error;
      }),
  };
}

async function run(kind: Kind, options: Options, io: Io): Promise<void> {
  const times = whole('--times', options.times, 1_000_000);
  const concurrency = whole('--concurrency', options.concurrency, 1_000);
  if (!tenantName.safeParse(options.tenant).success) throw new Exit(EXIT.usage, '--tenant: is not a tenant name');
  const payload = options.file === undefined ? undefined : await readPayload(options.file, io);
  const gate = await findGate(io, options);
  const { path, statuses, deliveries } = await openSender(kind, gate, io);
  const { url, isHook } = hookUrl(path(options.tenant), gate);
  let next = 0;
  let wrong = 0;
  const work = async (): Promise<void> => {
    while (next < times) {
      const { text, tenant, tamper, thread, mention, channel, user, command, button } = options;
      const one = { text, tenant, tamper, thread, mention, channel, user, command, button, payload, index: next++ };
      const isRight = await sendOnce(await deliveries(one), statuses, { gate, url }, options, io);
      if (!isRight) wrong += 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, times) }, work));
  if (wrong === 0) return;
  const count = `${wrong} of ${times}`;
  if (!isHook && !(await isSallyport(gate))) throw new Exit(EXIT.failed, `${count}: ${notSallyport(gate).message}`);
  throw new Exit(EXIT.failed, `${count}: ${inLine(url.href)} did not do what a correct gate does`);
}

/** True when the gate did what a correct gate does. */
async function sendOnce(
  deliveries: readonly SignedDelivery[],
  statuses: Sender['statuses'],
  { gate, url }: { readonly gate: Gate; readonly url: URL },
  options: Options,
  io: Io,
): Promise<boolean> {
  const { tenant, file, insecure } = options;
  let isRight = true;
  for (const delivery of deliveries) {
    const { headers, body } = delivery;
    const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) }).catch(() => {
      throw new Exit(EXIT.failed, `nothing answers at ${url.origin}${otherGate(gate)}`);
    });
    const outcome = response.headers.get('x-sallyport-outcome');
    const eventId = response.headers.get('x-sallyport-event');
    const reason = response.headers.get('x-sallyport-reason');
    await response.arrayBuffer();
    io.print(inLine([response.status, outcome, eventId, reason].filter((part) => part !== null).join(' ')));
    if (!isCorrect(statuses, delivery, file !== undefined, { status: response.status, outcome })) {
      io.complain(`expected: ${delivery.expect}`);
      isRight = false;
    }
    if (options.wait && outcome === 'accepted' && eventId !== null) {
      const api = { tenant, insecure, url: gate.isNamed ? url.origin : undefined };
      const { conversation, resultPath } = delivery;
      const id = conversation === undefined ? eventId : await awaitEvent(io, api, conversation);
      io.print(await awaitReply(io, api, id, resultPath?.(id) ?? `/events/${id}`));
    } else if (options.wait && delivery.expect !== 'refused' && outcome === null) {
      io.complain('nothing to wait for: the gate named no event (SALLYPORT_OUTCOME_HEADERS=1 makes it)');
    }
  }
  return isRight;
}

/** `isOwn`: whether the payload is the user's. */
function isCorrect(
  { taken, refused }: Sender['statuses'],
  { expect }: SignedDelivery,
  isOwn: boolean,
  { status, outcome }: { readonly status: number; readonly outcome: string | null },
): boolean {
  // Some senders are refused with the status of success, so that they learn nothing.
  const isKeptOut = outcome === null || outcome === 'quarantined';
  if (expect === 'refused') return refused.includes(status) && isKeptOut;
  if (!taken.includes(status)) return false;
  // A gate may be set up to show no outcome; then its status has to do.
  if (outcome === null) return true;
  // A payload of the user's own may be irrelevant, or have been sent before; the second time it may not be accepted.
  return isOwn ? expect === 'accepted' || outcome !== 'accepted' : outcome === expect;
}

/** The URL of a gate, or already the whole URL of a hook, be it of Sallyport or of another app. */
function hookUrl(path: string, gate: Gate): { readonly url: URL; readonly isHook: boolean } {
  const given = new URL(gate.url);
  const isHook = given.pathname !== '/';
  return { url: isHook ? given : new URL(path, given), isHook };
}

async function readPayload(file: string, io: Io): Promise<unknown> {
  const text = await readFile(resolve(io.folder, file), 'utf8').catch((error: unknown) => {
    throw unreadableFile(file, error);
  });
  try {
    return JSON.parse(text);
  } catch {
    throw new Exit(EXIT.usage, '--file: cannot be read as JSON');
  }
}

function whole(name: string, text: string, max: number): number {
  const parsed = integer(1, max).safeParse(text);
  if (!parsed.success) throw new Exit(EXIT.usage, `${name}: must be a whole number from 1 to ${max}`);
  return parsed.data;
}
