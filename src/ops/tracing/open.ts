import { SallyportError } from '../../core/errors.ts';
import { parseUrl } from '../../core/text/url.ts';
import { noTracer } from '../../core/tracer.ts';
import type { Tracing, TracingDeps } from './driver.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What has to be installed beside the product, in versions that run on Node 20. */
const PACKAGES = [
  '@opentelemetry/api@^1.9.0',
  '@opentelemetry/sdk-trace-node@^2.12.1',
  '@opentelemetry/resources@^2.12.1',
  '@opentelemetry/exporter-trace-otlp-http@~0.223.0',
];

/**
 * Traces when the environment names a collector (`OTEL_EXPORTER_OTLP_ENDPOINT`, or that of traces alone); otherwise nothing
 * of OpenTelemetry is loaded. @throws SallyportError ERR_CONFIG_INVALID: packages are missing, or a variable is wrong
 */
export async function openTracing(environment: Environment, deps: Omit<TracingDeps, 'maxQueueSize'>): Promise<Tracing> {
  if (!isWanted(environment)) return { tracer: noTracer, close: async () => {} };
  checkVariables(environment);
  const { openDriver } = await import('./driver.ts').catch((error: unknown) => {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
    if (!isMissing) throw error;
    throw invalid(
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      `needs packages that are not installed; run npm install ${PACKAGES.join(' ')}, or unset it`,
    );
  });
  // What is no number above 0 has its default, as the SDK has it.
  const maxQueueSize = Number(environment.OTEL_BSP_MAX_QUEUE_SIZE) || undefined;
  return openDriver({ ...deps, maxQueueSize });
}

const ENDPOINTS = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];

/** As the OpenTelemetry specification has it: an empty variable is one that is not set. */
const isWanted = (environment: Environment): boolean =>
  ENDPOINTS.some((name) => (environment[name] ?? '').trim() !== '') &&
  environment.OTEL_SDK_DISABLED?.trim().toLowerCase() !== 'true' &&
  environment.OTEL_TRACES_EXPORTER?.trim() !== 'none';

const RATIOS = ['traceidratio', 'parentbased_traceidratio'];
const SAMPLERS = ['always_on', 'always_off', 'parentbased_always_on', 'parentbased_always_off', ...RATIOS];

/**
 * The SDK replaces what it does not understand by a default without a word: a misspelt sampler would trace everything.
 * @throws SallyportError ERR_CONFIG_INVALID
 */
function checkVariables(environment: Environment): void {
  const given = (name: string): string => (environment[name] ?? '').trim();
  for (const name of ENDPOINTS.filter((one) => given(one) !== '')) {
    const { protocol = '' } = parseUrl(given(name)) ?? {};
    if (!['http:', 'https:'].includes(protocol)) throw invalid(name, 'must be an http or https URL');
  }
  if (!['', 'otlp'].includes(given('OTEL_TRACES_EXPORTER'))) {
    throw invalid('OTEL_TRACES_EXPORTER', 'must be otlp or none');
  }
  for (const name of ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']) {
    if (given(name) === 'grpc')
      throw invalid(name, 'must be http/json or http/protobuf (JSON over HTTP is what is sent)');
  }
  const sampler = given('OTEL_TRACES_SAMPLER');
  if (sampler !== '' && !SAMPLERS.includes(sampler)) {
    throw invalid('OTEL_TRACES_SAMPLER', `must be one of ${SAMPLERS.join(', ')}`);
  }
  const ratio = given('OTEL_TRACES_SAMPLER_ARG');
  const isRatio = ratio !== '' && Number(ratio) >= 0 && Number(ratio) <= 1;
  if (RATIOS.includes(sampler) && !isRatio) throw invalid('OTEL_TRACES_SAMPLER_ARG', 'must be a number from 0 to 1');
}

const invalid = (name: string, message: string): SallyportError =>
  new SallyportError('ERR_CONFIG_INVALID', `${name}: ${message}`);
