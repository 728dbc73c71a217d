import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  isSpanContextValid,
  type Link,
  type Span as OtelSpan,
  type Tracer as OtelTracer,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { codeOf, type ErrorCode } from '../../core/errors.ts';
import { withinTime } from '../../core/linked-signal.ts';
import type { Logger } from '../../core/logger.ts';
import { noSpan, type Span, type SpanFacts, type SpanName, type Tracer } from '../../core/tracer.ts';
import { attributes, forms, OPERATION } from './conventions.ts';

export interface Tracing {
  readonly tracer: Tracer;
  /** Sends what is left, for `withinMs` at most. Never throws. */
  close(withinMs: number): Promise<void>;
}

export interface TracingDeps {
  /** Of the process: `ingress`, `worker`, `all` or `dev`. */
  readonly role: string;
  /** What every word passes before it becomes part of a span. */
  readonly scrub: (text: string) => string;
  readonly logger: Logger;
  /** Spans that may wait for the exporter; absent: 2,048, the SDK's own default. */
  readonly maxQueueSize?: number | undefined;
}

/**
 * Traces to the collector that the environment names; the SDK reads `OTEL_*` by itself. Nothing is registered with the
 * API's globals: a library that traces by itself would put into its spans what it is sent.
 */
export function openDriver({ role, scrub, logger, maxQueueSize = MAX_QUEUE }: TracingDeps): Tracing {
  const own = resourceFromAttributes({ 'service.name': 'sallyport', 'sallyport.role': role });
  const named = detectResources({ detectors: [envDetector] });
  const resource = defaultResource().merge(own).merge(named);
  const { exporter, failed } = telling(new OTLPTraceExporter(), logger);
  const provider = new NodeTracerProvider({ resource, spanProcessors: [bounded(exporter, maxQueueSize, logger)] });
  return {
    tracer: createTracer(provider.getTracer('sallyport'), scrub),
    close: (withinMs) =>
      withinTime(withinMs, undefined, () => provider.shutdown()).catch(() => failed('ERR_OUTBOUND_TIMEOUT')),
  };
}

/** `ExportResultCode.SUCCESS` of `@opentelemetry/core`. */
const SUCCESS = 0;

/** The exporter, and what says once that the collector takes nothing. Once it does again, that is said as well. */
function telling(
  exporter: SpanExporter,
  logger: Logger,
): { readonly exporter: SpanExporter; readonly failed: (code: ErrorCode) => void } {
  let isFailing = false;
  const failed = (code: ErrorCode): void => {
    // What the collector answered is not repeated: it may quote what it was sent.
    if (!isFailing) logger.warn({ code, setting: 'OTEL_EXPORTER_OTLP_ENDPOINT' }, 'traces.not-exported');
    isFailing = true;
  };
  return {
    failed,
    exporter: {
      export(spans, done) {
        exporter.export(spans, (result) => {
          if (result.code !== SUCCESS) failed('ERR_OUTBOUND_FAILED');
          else if (isFailing) {
            isFailing = false;
            logger.info({}, 'traces.exported-again');
          }
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
    },
  };
}

/** The SDK's own default. */
const MAX_QUEUE = 2_048;
/** Between two lines about spans that were dropped (ms). */
const TELL_EVERY_MS = 60_000;

/** Spans in batches. The SDK drops those beyond its queue without a word; here they are counted, and told of once a minute. */
function bounded(exporter: SpanExporter, maxQueueSize: number, logger: Logger): SpanProcessor {
  let waiting = 0;
  let dropped = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  const batches = new BatchSpanProcessor(
    {
      export(spans, done) {
        waiting -= spans.length;
        exporter.export(spans, done);
      },
      shutdown: () => exporter.shutdown(),
    },
    { maxQueueSize },
  );
  return {
    onStart: (span, context) => batches.onStart(span, context),
    onEnd(span) {
      if (waiting < maxQueueSize) {
        waiting += 1;
        batches.onEnd(span);
        return;
      }
      dropped += 1;
      if (performance.now() - toldAt < TELL_EVERY_MS) return;
      toldAt = performance.now();
      logger.warn({ count: dropped, setting: 'OTEL_BSP_MAX_QUEUE_SIZE' }, 'traces.dropped');
      dropped = 0;
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}

/** Words remembered as scrubbed: tenants, channels, agents, models and outcomes are few. */
const MOST_WORDS = 1_000;

function createTracer(tracer: OtelTracer, scrub: (text: string) => string): Tracer {
  const ambient = new AsyncLocalStorage<Span>();
  /** Ambient spans that have not ended. */
  let open = 0;
  const words = new Map<string, string>();

  function clean(word: string): string {
    const cleaned = words.get(word) ?? scrub(word);
    if (words.size < MOST_WORDS) words.set(word, cleaned);
    return cleaned;
  }

  /**
   * Up to Node 22 a storage that was used once makes every promise of the process take twice as long. Without an ambient span
   * there is nothing to find, so it is switched off then: `run` switches it on again.
   */
  async function around<T>(span: Span, work: (span: Span) => Promise<T>): Promise<T> {
    open += 1;
    try {
      return await ambient.run(span, work, span);
    } finally {
      open -= 1;
      if (open === 0) ambient.disable();
    }
  }

  function note(otel: OtelSpan, kind: SpanKind, facts: SpanFacts): void {
    for (const [fact, value] of Object.entries(facts) as [keyof SpanFacts, string | number | undefined][]) {
      if (value === undefined) continue;
      // An event's id is made here; every other text may be somebody's word.
      const shown = typeof value === 'string' && fact !== 'eventId' ? clean(value) : value;
      otel.setAttribute(attributes[fact], shown);
    }
    // What a server refuses is no failure of its own.
    const isRefusal = kind === SpanKind.SERVER && facts.status !== undefined && facts.status < 500;
    if (facts.code !== undefined && !isRefusal) otel.setStatus({ code: SpanStatusCode.ERROR });
  }

  interface Place {
    readonly parent: Context;
    readonly links: Link[];
    readonly isAmbient: boolean;
  }

  async function traced<T>(
    name: SpanName,
    facts: SpanFacts,
    { parent, links, isAmbient }: Place,
    work: (span: Span) => Promise<T>,
  ): Promise<T> {
    const { kind, title, fixed = {}, hasOperation = false } = forms[name];
    const otel = tracer.startSpan(name, { kind, links, attributes: fixed }, parent);
    const traceparent = traceparentOf(otel.spanContext());
    if (!otel.isRecording()) return work(unrecorded(traceparent));
    const shown = clean(title(facts));
    otel.updateName(shown);
    if (hasOperation) otel.setAttribute(OPERATION, shown.split(' ', 1)[0] ?? '');
    note(otel, kind, facts);
    let isDropped = false;
    const here = { parent: trace.setSpan(ROOT_CONTEXT, otel), links: [], isAmbient };
    const span: Span = {
      traceparent,
      note: (more) => note(otel, kind, more),
      drop: () => {
        isDropped = true;
      },
      part: (part, about, does) => traced(part, about, here, does),
    };
    try {
      return await (isAmbient ? around(span, work) : work(span));
    } catch (error) {
      span.note({ code: codeOf(error) });
      throw error;
    } finally {
      // A span that does not end is not exported.
      if (!isDropped) otel.end();
    }
  }

  return {
    begin(name, facts, { from, link, isAmbient = false }, work) {
      const [earlier, other] = [spanContextOf(from), spanContextOf(link)];
      const parent = earlier === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, earlier);
      return traced(name, facts, { parent, links: other === null ? [] : [{ context: other }], isAmbient }, work);
    },
    current: () => ambient.getStore() ?? noSpan,
  };
}

/** A span that was not sampled: what follows it keeps to that. */
function unrecorded(traceparent: string): Span {
  const span: Span = { ...noSpan, traceparent, part: (_name, _facts, work) => work(span) };
  return span;
}

const traceparentOf = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`;

/** W3C Trace Context, version 00. */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Null for what is no `traceparent`: it names nothing then. */
function spanContextOf(traceparent: string | undefined): SpanContext | null {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(context) ? context : null;
}
