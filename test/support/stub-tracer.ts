import { noTracer, type Span, type SpanFacts, type SpanName, type Tracer } from '../../src/core/tracer.ts';

/** A span or a part of one, with all that was noted. */
interface Begun {
  readonly name: SpanName;
  facts: SpanFacts;
  isDropped?: true;
}

/** A tracer whose spans are numbered, `span-1`, `span-2` and so on in the place of a `traceparent`, and noted. */
export function stubTracer(): Tracer & { readonly begun: readonly Begun[] } {
  const begun: Begun[] = [];
  const start = <T>(name: SpanName, facts: SpanFacts, work: (span: Span) => Promise<T>): Promise<T> => {
    const one: Begun = { name, facts };
    const traceparent = `span-${begun.push(one)}`;
    const note = (more: SpanFacts): void => {
      one.facts = { ...one.facts, ...more };
    };
    const drop = (): void => {
      one.isDropped = true;
    };
    return work({ traceparent, note, drop, part: start });
  };
  return { ...noTracer, begun, begin: (name, facts, _options, work) => start(name, facts, work) };
}
