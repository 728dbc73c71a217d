import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import * as z from 'zod';
import type { ChannelModule } from '../../channels/module.ts';
import { plugs } from '../../channels/registry.node.ts';
import {
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
import { parseUrl } from '../../core/text/url.ts';
import { apiToken, apiUrl, callApi, spoiledToken } from '../access.ts';
import { dataFolderOf, readDevIdentity } from '../dev/vendors.ts';
import { EXIT, Exit, type Io, inLine } from '../io.ts';
import { secretOf, toolSettings } from '../settings.ts';

interface Options {
  readonly text: string;
  readonly file?: string;
  readonly url?: string;
  readonly tenant: string;
  readonly thread?: string;
  readonly times: string;
  readonly concurrency: string;
  readonly wait?: boolean;
  readonly tamper?: Tamper;
}

export function registerSend(program: Command, io: Io): void {
  const send = program.command('send').description('send signed deliveries, or deliberately wrong ones, to a gate');
  const kinds = plugs.modules.flatMap(({ name, samples, hasThreads }: ChannelModule) =>
    samples.map((kind) => ({ name, kind, hasThreads })),
  );
  for (const { name, kind, hasThreads } of kinds) {
    const command = send
      .command(kind)
      .description(`a ${kind} delivery; exit 0 when the gate did what a correct gate does`)
      .option('--text <text>', 'what the message says', 'hello')
      .option('--file <payload.json>', 'send this payload instead')
      .option('--url <url>', 'the gate, or the whole hook URL (default: SALLYPORT_URL, else 127.0.0.1)')
      .option('--tenant <tenant>', 'whose hook', 'default')
      .option('--times <n>', 'how often', '1')
      .option('--concurrency <n>', 'how many at once', '1')
      .option('--wait', 'wait for the run and print its reply')
      .addOption(new Option('--tamper <mode>', 'spoil it').choices(tamperModes))
      .action((options: Options) => run({ name, kind }, options, io));
    if (hasThreads) command.option('--thread <id>', 'the conversation it belongs to (default: one of its own)');
  }
}

interface Kind {
  readonly name: ChannelName;
  readonly kind: string;
}

/** Makes one kind of delivery with what is known here. */
async function openSender({ name, kind }: Kind, io: Io) {
  const sample = await (await plugs.halves[name]?.())?.sample();
  const sender = sample?.senders[kind];
  if (sample === undefined || sender === undefined) throw new Error(`${name} has no sample ${kind}`);
  const context = {
    environment: io.environment,
    dataFolder: dataFolderOf(io),
    secret: (variable: string) => secretOf(io, variable),
    async settings(tenant: string): Promise<unknown> {
      const { tenants } = await toolSettings(io);
      const settingsOf = (one: string): unknown => Reflect.get(tenants[one] ?? {}, name);
      return settingsOf(tenant) ?? settingsOf('default');
    },
    token: (tenant: string, spoil?: TokenSpoil) =>
      spoil === undefined ? apiToken(io, tenant) : spoiledToken(spoil, tenant, io),
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
  const payload = options.file === undefined ? undefined : await readPayload(resolve(io.folder, options.file));
  const { path, statuses, deliveries } = await openSender(kind, io);
  const url = await hookUrl(path(options.tenant), options.url, io);
  let next = 0;
  let wrong = 0;
  const work = async (): Promise<void> => {
    while (next < times) {
      const { text, tenant, thread, tamper } = options;
      const one = { text, tenant, thread, tamper, payload, index: next++ };
      const isRight = await sendOnce(await deliveries(one), statuses, url, options, io);
      if (!isRight) wrong += 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, times) }, work));
  if (wrong > 0) throw new Exit(EXIT.failed, `${wrong} of ${times}: the gate did not do what a correct gate does`);
}

/** True when the gate did what a correct gate does. */
async function sendOnce(
  deliveries: readonly SignedDelivery[],
  statuses: Sender['statuses'],
  url: URL,
  options: Options,
  io: Io,
): Promise<boolean> {
  const { tenant, file } = options;
  let isRight = true;
  for (const delivery of deliveries) {
    const { headers, body } = delivery;
    const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) }).catch(() => {
      throw new Exit(EXIT.failed, `nothing answers at ${url.origin}`);
    });
    const outcome = response.headers.get('x-sallyport-outcome');
    const eventId = response.headers.get('x-sallyport-event');
    await response.arrayBuffer();
    io.print([response.status, outcome, eventId].filter((part) => part !== null).join(' '));
    if (!isCorrect(statuses, delivery, file !== undefined, { status: response.status, outcome })) {
      io.complain(`expected: ${delivery.expect}`);
      isRight = false;
    }
    if (options.wait && outcome === 'accepted' && eventId !== null) {
      const api: Io =
        options.url === undefined ? io : { ...io, environment: { ...io.environment, SALLYPORT_URL: url.origin } };
      const { conversation, resultPath } = delivery;
      const id = conversation === undefined ? eventId : await awaitEvent(api, tenant, conversation);
      io.print(await awaitReply(api, tenant, resultPath?.(id) ?? `/events/${id}`));
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

/** `url`: of the gate, or already the whole hook URL; absent: the gate that the environment names. */
async function hookUrl(path: string, url: string | undefined, io: Io): Promise<URL> {
  const base = url ?? (await apiUrl(io));
  const parsed = parseUrl(base);
  if (parsed === null) throw new Exit(EXIT.usage, '--url: is not a URL');
  return parsed.pathname === '/' ? new URL(path, parsed) : parsed;
}

async function readPayload(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    throw new Exit(EXIT.usage, '--file: cannot be read as JSON');
  }
}

function whole(name: string, text: string, max: number): number {
  const parsed = integer(1, max).safeParse(text);
  if (!parsed.success) throw new Exit(EXIT.usage, `${name}: must be a whole number from 1 to ${max}`);
  return parsed.data;
}

const reply = z.object({ text: z.string(), state: z.string().optional() }).optional();

/** An event as operators see it, or what its sender sees of it. */
const shape = z.object({
  state: z.string(),
  runs: z.array(z.object({ reply })).default([]),
  reply,
  failure: z.object({ code: z.string() }).optional(),
});

/** Milliseconds between looks. */
const EVERY_MS = 100;
/** Milliseconds until a person stops waiting; a run may take 120 s. */
const TIMEOUT_MS = 130_000;

const listShape = z.object({ events: z.array(z.object({ id: z.string(), conversation: z.string() })) });

/** Waits until a conversation has an event; returns the latest one's id. @throws Exit 1 when it has none in time */
async function awaitEvent(io: Io, tenant: string, conversation: string): Promise<string> {
  const giveUpAt = Date.now() + TIMEOUT_MS;
  while (Date.now() < giveUpAt) {
    const { events } = listShape.parse(await callApi(io, tenant, 'GET', '/events?limit=200'));
    const found = events.find((event) => event.conversation === conversation);
    if (found !== undefined) return found.id;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Exit(EXIT.failed, `what the delivery spoke of was not read within ${TIMEOUT_MS / 1000} s`);
}

/** Waits for an event's end and returns what to print. @throws Exit 1 when it failed or did not end in time. */
async function awaitReply(io: Io, tenant: string, path: string): Promise<string> {
  const giveUpAt = Date.now() + TIMEOUT_MS;
  while (Date.now() < giveUpAt) {
    const event = shape.parse(await callApi(io, tenant, 'GET', path));
    const last = event.reply ?? event.runs.findLast((run) => run.reply !== undefined)?.reply;
    if (event.state === 'done') {
      if (last === undefined) return 'the run ended without a reply';
      return last.state === 'unsent' ? `${last.text}\n(not posted: the channel has no credentials here)` : last.text;
    }
    if (['parked', 'ignored', 'conflict', 'expired', 'review'].includes(event.state)) {
      throw new Exit(EXIT.failed, inLine(`the event is ${event.state} ${event.failure?.code ?? ''}`.trim()));
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Exit(EXIT.failed, `the event did not end within ${TIMEOUT_MS / 1000} s`);
}
