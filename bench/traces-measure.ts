import { AsyncLocalStorage } from 'node:async_hooks';
import type { InboundEvent } from '../src/core/event.ts';
import { silentLogger } from '../src/core/logger.ts';
import { inTrace, noTracer, type Tracer } from '../src/core/tracer.ts';
import { openTracing } from '../src/ops/tracing/open.ts';
import { createEventMaker } from '../test/support/events.ts';
import { median } from './median.ts';
import { markdown } from './report.ts';

// What the tracer itself takes, in microseconds of processor time: the spans of a delivery around nothing, and a promise of a
// process whose spans are found by the code within them. `npx tsx bench/traces-measure.ts [rounds]`
const rounds = Number(process.argv[2] ?? 9);
const DELIVERIES = 20_000;

async function costOf(count: number, work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  for (let n = 0; n < count; n += 1) await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

/** There is no collector at that port: spans are made, queued and dropped. */
async function openWith(share: string): Promise<Tracer> {
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: share,
  };
  Object.assign(process.env, environment);
  return (await openTracing(environment, { role: 'ingress', scrub: String, logger: silentLogger })).tracer;
}

const events: readonly InboundEvent[] = [createEventMaker(Date.now)({ tenant: 'default' })];

const delivery = (tracer: Tracer) => () =>
  tracer.begin('delivery', { tenant: 'default', channel: 'slack' }, {}, async (span) => {
    await span.part('accept', { items: 1 }, async (part) => inTrace(events, part));
    span.note({ tenant: 'default', outcome: 'accepted', status: 200, items: 1, eventId: events[0]?.id });
  });

const storage = new AsyncLocalStorage<object>();
const chain = async (length: number): Promise<number> => (length === 0 ? 0 : 1 + (await chain(length - 1)));
const promises = async (): Promise<number> => (await costOf(2_000, () => chain(100))) / 100;

const tracers = {
  none: noTracer,
  '0 %': await openWith('0'),
  '1 %': await openWith('0.01'),
  '100 %': await openWith('1'),
};
const measured: Record<string, number[]> = {};
const add = (name: string, cost: number): void => {
  measured[name] = [...(measured[name] ?? []), cost];
};
for (let round = 0; round < rounds; round += 1) {
  for (const [name, tracer] of Object.entries(tracers)) {
    add(`delivery, ${name} traced`, await costOf(DELIVERIES, delivery(tracer)));
  }
  add('promise, no ambient span', await promises());
  add('promise, within one', await storage.run({}, promises));
  storage.disable();
  add('promise, after the last one', await promises());
}
const rows = Object.entries(measured).map(([name, costs]) => [
  name,
  median(costs).toFixed(2),
  `${Math.min(...costs).toFixed(2)}–${Math.max(...costs).toFixed(2)}`,
]);
console.log(markdown(['CPU µs', 'median', 'min–max'], rows));
process.exit();
