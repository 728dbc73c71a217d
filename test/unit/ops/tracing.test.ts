import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SallyportError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { noTracer } from '../../../src/core/tracer.ts';
import type { Tracing } from '../../../src/ops/tracing/driver.ts';
import { openTracing } from '../../../src/ops/tracing/open.ts';
import { type Collector, startCollector } from '../../support/collector.ts';
import { until } from '../../support/until.ts';

let collector: Collector;
let lines: string[];
beforeEach(async () => {
  collector = await startCollector();
  lines = [];
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await collector.stop();
});

/** The SDK reads the process's own environment. */
async function open(environment: Readonly<Record<string, string>> = {}): Promise<Tracing> {
  const all = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...environment };
  for (const [name, value] of Object.entries(all)) vi.stubEnv(name, value);
  const line = (fields: object, name: string) => void lines.push(`${name} ${JSON.stringify(fields)}`);
  return openTracing(all, {
    role: 'worker',
    scrub: (text) => text.replaceAll('hunter2', '[secret]'),
    logger: { ...silentLogger, info: line, warn: line },
  });
}

const REMOTE = `00-${'a'.repeat(32)}-${'b'.repeat(16)}`;

describe('a process without a collector', () => {
  test.each([
    ['no variable', {}],
    ['an empty variable', { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }],
    ['the SDK disabled', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'TRUE' }],
    ['no exporter of traces', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_TRACES_EXPORTER: 'none' }],
  ])('traces nothing: %s', async (_, environment) => {
    const { tracer } = await openTracing(environment, { role: 'all', scrub: String, logger: silentLogger });
    expect(tracer).toBe(noTracer);
  });
});

test.each([
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
  ['OTEL_TRACES_EXPORTER', 'console'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
  ['OTEL_TRACES_SAMPLER', 'parentbased_traceidratoi'],
  ['OTEL_TRACES_SAMPLER_ARG', '1%'],
])('a wrong %s is told at the start, without its value', async (name, value) => {
  const sampler = name === 'OTEL_TRACES_SAMPLER_ARG' ? { OTEL_TRACES_SAMPLER: 'traceidratio' } : {};
  const error = await open({ ...sampler, [name]: value }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SallyportError);
  const { code, message } = error as SallyportError;
  expect(code).toBe('ERR_CONFIG_INVALID');
  expect(message.startsWith(`${name}: `)).toBe(true);
  expect(message).not.toContain(value);
});

describe('spans', () => {
  test('go on with the trace they are given, keep their facts, and stand below one another', async () => {
    const { tracer, close } = await open({ OTEL_SERVICE_NAME: 'gate', OTEL_EXPORTER_OTLP_HEADERS: 'x-team=a%20b' });
    const options = { from: `${REMOTE}-01`, isAmbient: true };
    await tracer.begin('run', { channel: 'slack', eventId: 'ev_1', agent: undefined }, options, async (span) => {
      expect(span.traceparent).toMatch(/^00-a{32}-[0-9a-f]{16}-01$/);
      await Promise.resolve();
      await tracer.current().part('tool', { tool: 'look' }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        await tracer.current().part('http', { method: 'GET', host: 'hunter2.example' }, async (part) => {
          part.note({ status: 503, code: '503' });
        });
      });
      span.note({ outcome: 'done', costMicros: 7 });
    });
    expect(tracer.current().traceparent).toBeUndefined();
    await close(5_000);
    const [http, tool, run] = collector.spans;
    expect([run, tool, http].map((span) => [span?.name, span?.kind, span?.parentSpanId])).toEqual([
      ['run slack', 5, 'b'.repeat(16)],
      ['execute_tool look', 1, run?.spanId],
      ['GET', 3, tool?.spanId],
    ]);
    expect(run?.attributes).toEqual({
      'sallyport.channel': 'slack',
      'sallyport.event.id': 'ev_1',
      'sallyport.outcome': 'done',
      'sallyport.cost.usd_micros': 7,
    });
    expect(http?.attributes['server.address']).toBe('[secret].example');
    expect([run, tool, http].map((span) => span?.isFailed)).toEqual([false, false, true]);
    expect(run?.resource).toMatchObject({ 'service.name': 'gate', 'sallyport.role': 'worker' });
    expect(collector.headers['x-team']).toBe('a b');
  });

  test('are found by the code that works in them, and by no other, however they overlap', async () => {
    const { tracer, close } = await open();
    const here = () => tracer.current().traceparent;
    const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
    const run = (rounds: number) =>
      tracer.begin('run', { channel: 'slack' }, { isAmbient: true }, async (span) => {
        for (let n = 0; n < rounds; n += 1) {
          await pause();
          await tracer.current().part('tool', { tool: 'look' }, async (part) => {
            await pause();
            expect(here()).toBe(part.traceparent);
          });
          expect(here()).toBe(span.traceparent);
        }
      });
    for (let n = 0; n < 3; n += 1) {
      await Promise.all([run(1), run(3), run(2)]);
      expect(here()).toBeUndefined();
    }
    await close(5_000);
    const runs = collector.spans.filter(({ kind }) => kind === 5);
    const tools = runs.map(({ spanId }) => collector.spans.filter((span) => span.parentSpanId === spanId).length);
    expect(tools.sort()).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
  });

  test('are named by codes when the work fails, never by messages', async () => {
    const { tracer, close } = await open();
    const fail = (error: Error) => () => Promise.reject(error);
    await expect(tracer.begin('run', {}, {}, fail(new SallyportError('ERR_KILLED', 'hunter2')))).rejects.toThrow(
      'hunter2',
    );
    await expect(tracer.begin('run', {}, {}, fail(new Error('hunter2')))).rejects.toThrow('hunter2');
    await close(5_000);
    expect(collector.spans.map(({ attributes }) => attributes['error.type'])).toEqual(['ERR_KILLED', 'ERR_INTERNAL']);
    expect(String(collector.bodies)).not.toContain('hunter2');
  });

  test('of a delivery that is refused are no failures, but of one that could not be taken', async () => {
    const { tracer, close } = await open();
    for (const [status, code] of [
      [401, 'ERR_SIGNATURE_MISMATCH'],
      [503, 'ERR_STORE_UNAVAILABLE'],
    ] as const) {
      await tracer.begin('delivery', { channel: 'slack' }, {}, async (span) => span.note({ status, code }));
    }
    await close(5_000);
    expect(collector.spans.map(({ isFailed }) => isFailed)).toEqual([false, true]);
  });

  test('that are dropped are not exported', async () => {
    const { tracer, close } = await open();
    await tracer.begin('delivery', { channel: 'slack' }, {}, async (span) => span.drop());
    await tracer.begin('delivery', { channel: 'graph' }, {}, async () => {});
    await close(5_000);
    expect(collector.spans.map(({ name }) => name)).toEqual(['delivery graph']);
  });

  test('begin a trace of their own where there is none to go on with, and only refer to a link', async () => {
    const { tracer, close } = await open();
    for (const from of [undefined, 'nonsense', `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`]) {
      await tracer.begin('run', { channel: 'slack' }, { from }, async () => {});
    }
    await tracer.begin('run', { channel: 'slack' }, { link: `${REMOTE}-00` }, async () => {});
    await close(5_000);
    expect(collector.spans.map(({ parentSpanId }) => parentSpanId)).toEqual(['', '', '', '']);
    expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(4);
    expect(collector.spans.map(({ links }) => links)).toEqual([
      [],
      [],
      [],
      [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }],
    ]);
  });
});

describe('sampling', () => {
  test('is decided once: what follows an unsampled span is not recorded either, and is told so', async () => {
    const { tracer, close } = await open({
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0',
    });
    const seen: (string | undefined)[] = [];
    await tracer.begin('delivery', {}, {}, async (span) => {
      seen.push(span.traceparent);
      await span.part('accept', {}, async (part) => void seen.push(part.traceparent));
    });
    const [first = ''] = seen;
    expect(first).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(seen).toEqual([first, first]);
    // The same holds for a parent in another process, and one that was sampled there is recorded here.
    await tracer.begin('run', { channel: 'slack' }, { from: first, isAmbient: true }, async (span) => {
      expect(span.traceparent?.slice(0, 36)).toBe(first.slice(0, 36));
      expect(tracer.current().traceparent).toBeUndefined();
    });
    await tracer.begin('run', { channel: 'graph' }, { from: `${REMOTE}-01` }, async () => {});
    await close(5_000);
    expect(collector.spans.map(({ name }) => name)).toEqual(['run graph']);
  });
});

describe('a collector that takes nothing', () => {
  const work = async ({ tracer }: Tracing, count: number) => {
    for (let n = 0; n < count; n += 1) await tracer.begin('run', { channel: 'slack' }, {}, async () => {});
  };
  const NOT_EXPORTED = 'traces.not-exported {"code":"CODE","setting":"OTEL_EXPORTER_OTLP_ENDPOINT"}';

  test('is told of once, with a code; once it takes spans again, that is told as well', async () => {
    const tracing = await open({ OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_EXPORTER_OTLP_TIMEOUT: '50' });
    collector.mode = 'hang';
    for (let n = 0; n < 2; n += 1) {
      await work(tracing, 1);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await until('a line', () => lines.length > 0);
    expect(lines).toEqual([NOT_EXPORTED.replace('CODE', 'ERR_OUTBOUND_FAILED')]);
    collector.mode = 'take';
    await work(tracing, 1);
    await until('it is told', () => lines.length > 1);
    expect(lines.slice(1)).toEqual(['traces.exported-again {}']);
    await tracing.close(5_000);
  });

  test('delays neither the work nor the end beyond its bound', async () => {
    const tracing = await open();
    collector.mode = 'hang';
    const startedAt = performance.now();
    // More than the SDK's queue holds.
    await work(tracing, 3_000);
    const worked = performance.now() - startedAt;
    await tracing.close(200);
    expect(performance.now() - startedAt - worked).toBeLessThan(1_000);
    expect(worked).toBeLessThan(2_000);
    expect(lines).toEqual([
      'traces.dropped {"count":1,"setting":"OTEL_BSP_MAX_QUEUE_SIZE"}',
      NOT_EXPORTED.replace('CODE', 'ERR_OUTBOUND_TIMEOUT'),
    ]);
  });

  test('may be one that is not there', async () => {
    const tracing = await open();
    await collector.stop();
    await work(tracing, 1);
    await tracing.close(200);
    expect(lines.length).toBe(1);
    expect(lines[0]).toMatch(/^traces\.not-exported \{"code":"ERR_OUTBOUND_(FAILED|TIMEOUT)"/);
    collector = await startCollector();
  });
});

test('spans beyond the queue are dropped, which the log says once', async () => {
  const { tracer, close } = await open({ OTEL_BSP_MAX_QUEUE_SIZE: '600' });
  await Promise.all(Array.from({ length: 2_000 }, () => tracer.begin('run', {}, {}, async () => {})));
  expect(lines).toEqual(['traces.dropped {"count":1,"setting":"OTEL_BSP_MAX_QUEUE_SIZE"}']);
  await close(5_000);
  expect(collector.spans.length).toBeLessThan(2_000);
  expect(collector.spans.length).toBeGreaterThanOrEqual(600);
});
