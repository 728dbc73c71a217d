import { SpanKind } from '@opentelemetry/api';
import type { SpanFacts, SpanName } from '../../core/tracer.ts';

/**
 * The names that a collector sees. `http.*`, `server.*` and `error.type` are stable in OpenTelemetry's semantic conventions;
 * `gen_ai.*` is as 1.41.0 has it, where it is "Development" and may be renamed. `sallyport.*` is ours.
 */
export const attributes: Readonly<Record<keyof SpanFacts, string>> = {
  tenant: 'sallyport.tenant',
  channel: 'sallyport.channel',
  eventId: 'sallyport.event.id',
  items: 'sallyport.items',
  outcome: 'sallyport.outcome',
  code: 'error.type',
  status: 'http.response.status_code',
  generation: 'sallyport.generation',
  attempt: 'sallyport.attempt',
  run: 'sallyport.run',
  agent: 'gen_ai.agent.name',
  model: 'gen_ai.request.model',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  costMicros: 'sallyport.cost.usd_micros',
  tool: 'gen_ai.tool.name',
  guardrail: 'sallyport.guardrail.name',
  stage: 'sallyport.guardrail.stage',
  purpose: 'sallyport.http.purpose',
  method: 'http.request.method',
  host: 'server.address',
};

interface SpanForm {
  readonly kind: SpanKind;
  /** Of few values, because backends group spans by it. */
  readonly title: (facts: SpanFacts) => string;
  /** What every span of the name has. */
  readonly fixed?: Readonly<Record<string, string>>;
  /** Its title begins with the operation, as the `gen_ai.*` conventions have it, which is an attribute as well. */
  readonly hasOperation?: true;
}

export const OPERATION = 'gen_ai.operation.name';

export const forms: Readonly<Record<SpanName, SpanForm>> = {
  delivery: { kind: SpanKind.SERVER, title: ({ channel }) => `delivery ${channel}` },
  accept: { kind: SpanKind.PRODUCER, title: () => 'accept' },
  relay: { kind: SpanKind.SERVER, title: () => 'relay' },
  run: { kind: SpanKind.CONSUMER, title: ({ channel }) => `run ${channel}` },
  agent: {
    kind: SpanKind.INTERNAL,
    title: ({ agent }) => `invoke_agent ${agent}`,
    hasOperation: true,
  },
  model: {
    kind: SpanKind.CLIENT,
    title: ({ model }) => `chat ${model}`,
    // The protocol; the convention has no word for all who speak it, and leaves the rest to the model and the host.
    fixed: { 'gen_ai.provider.name': 'openai' },
    hasOperation: true,
  },
  tool: {
    kind: SpanKind.INTERNAL,
    title: ({ tool }) => `execute_tool ${tool}`,
    fixed: { 'gen_ai.tool.type': 'function' },
    hasOperation: true,
  },
  guardrail: { kind: SpanKind.INTERNAL, title: ({ guardrail }) => `guardrail ${guardrail}` },
  http: { kind: SpanKind.CLIENT, title: ({ method }) => String(method) },
  reply: { kind: SpanKind.PRODUCER, title: ({ channel }) => `reply ${channel}` },
};
