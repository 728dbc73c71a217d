import type { InboundEvent } from './event.ts';

/** The spans there are. What each becomes at a collector is decided in one place, `ops/tracing/conventions`. */
export type SpanName =
  | 'delivery'
  | 'accept'
  | 'relay'
  | 'run'
  | 'agent'
  | 'model'
  | 'tool'
  | 'guardrail'
  | 'http'
  | 'reply';

/**
 * What a span tells: ids of ours, words of the configuration, bounded words and numbers. There is no member for a text, an
 * argument, a header or a URL, so that none can get into a trace by mistake.
 */
export interface SpanFacts {
  readonly tenant?: string;
  readonly channel?: string;
  /** Of a delivery with several events: the first. */
  readonly eventId?: string | undefined;
  /** Events of a delivery or of a batch. */
  readonly items?: number;
  readonly outcome?: string;
  /** A code of ours, or another bounded word for what went wrong. It makes the span a failed one. */
  readonly code?: string | undefined;
  /** HTTP status. */
  readonly status?: number;
  readonly generation?: number;
  /** From 1, within the generation. */
  readonly attempt?: number;
  /** From 1, over all generations. */
  readonly run?: number;
  readonly agent?: string | undefined;
  readonly model?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Micro-dollars. */
  readonly costMicros?: number;
  /** The name of a tool that exists, or `unknown`. */
  readonly tool?: string;
  readonly guardrail?: string;
  readonly stage?: string;
  /** What a client of HTTP is for. */
  readonly purpose?: string;
  readonly method?: string;
  /** A host that the configuration names, never one that came from outside. */
  readonly host?: string | undefined;
}

/** A piece of work in a trace. */
export interface Span {
  /** What another process goes on with (W3C Trace Context, version 00). Undefined where nothing is traced. */
  readonly traceparent: string | undefined;
  /** Adds facts; later ones replace earlier ones of the same name. */
  note(facts: SpanFacts): void;
  /** Leaves the span out of what is exported. */
  drop(): void;
  /** Does the work as a part of this span. Throws what the work throws, whose code is noted. */
  part<T>(name: SpanName, facts: SpanFacts, work: (span: Span) => Promise<T>): Promise<T>;
}

export interface BeginOptions {
  /** The `traceparent` of ours with which the trace goes on. Absent or malformed: a new trace begins. */
  readonly from?: string | undefined;
  /** The `traceparent` of another trace that led to this one. It decides neither parent nor sampling. */
  readonly link?: string | undefined;
  /**
   * Whether `current` finds the span, and its parts, in the code that the work calls. It makes each promise of the process
   * a little slower, so an ingress does without.
   */
  readonly isAmbient?: boolean;
}

/** What the rooms need to trace. Nothing here ever throws by itself or waits for a collector. */
export interface Tracer {
  /** Does the work as the first span of this process in a trace. Throws what the work throws. */
  begin<T>(name: SpanName, facts: SpanFacts, options: BeginOptions, work: (span: Span) => Promise<T>): Promise<T>;
  /** The span around the code that asks, if it is ambient and recorded; else one that does nothing. */
  current(): Span;
}

/** Does the work and nothing else. */
export const noSpan: Span = {
  traceparent: undefined,
  note() {},
  drop() {},
  part: (_name, _facts, work) => work(noSpan),
};

/** Traces nothing: what a process without a collector has. */
export const noTracer: Tracer = {
  begin: (_name, _facts, _options, work) => work(noSpan),
  current: () => noSpan,
};

/** The events, whose runs go on with the trace of the span. */
export const inTrace = (events: readonly InboundEvent[], { traceparent }: Span): readonly InboundEvent[] =>
  traceparent === undefined ? events : events.map((event) => ({ ...event, traceparent }));
