import { startLlmServer } from '../src/testing/agents/llm-server.ts';
import { startGraphServer } from '../src/testing/graph/server.ts';
import { markdown, writeSection } from './report.ts';
import { graphSender, measureSender } from './senders.ts';

// How long Graph waits for its answers while everything behind the ingress is slow: ingress and worker in one process, a
// Graph and a model that take two seconds for everything. `npx tsx bench/slow-vendors.ts`
const SLOW_MS = 2_000;
const { environment, ...sender } = graphSender(1);
const graph = await startGraphServer({
  tenantId: environment.GRAPH_TENANT_ID ?? '',
  fault: () => ({ kind: 'delay', ms: SLOW_MS }),
});
const model = await startLlmServer({ answer: () => ({ text: 'noted', delayMs: SLOW_MS }) });
const result = await measureSender({
  ...sender,
  ...{ role: 'all', warmupMs: 2_000, measureMs: 5_000, connections: 20, requests: 60_000 },
  environment: {
    ...environment,
    GRAPH_BASE_URL: graph.url,
    GRAPH_AUTHORITY_URL: graph.url,
    GRAPH_CLIENT_ID: graph.clientId,
    GRAPH_CLIENT_SECRET: graph.clientSecret,
    LLM_BASE_URL: model.url,
    LLM_MODEL: 'slow',
    LLM_PRICE_INPUT: '0',
    LLM_PRICE_OUTPUT: '0',
  },
});
await Promise.all([graph.stop(), model.stop()]);
const table = markdown(
  ['notifications/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'failed'],
  [
    [
      ...[result.perSecond, result.p50, result.p99, result.p999].map((figure) => figure.toFixed(1)),
      String(result.failed),
    ],
  ],
);
console.log(table);
await writeSection('slow-vendors', table);
