import { createEdge, type Edge } from '../../src/app/edge/worker.ts';
import type { ShardStatus } from '../../src/queue/edge/shard.ts';

/**
 * The Worker with several fronts in it, each as if it had been deployed alone: it has settings, shards and a clock of its
 * own. What a front logs is kept for the test.
 */

/** What `x-test-front` says of a request, as JSON. */
export interface FrontHeader {
  /** Shards of another front are not seen. */
  readonly name: string;
  /** Epoch ms. */
  readonly at: number;
  /** Beside those of the Worker. The first request of a front decides. */
  readonly settings: Readonly<Record<string, string>>;
}

interface Namespace {
  idFromName(name: string): object;
  get(id: object, options?: object): object;
}

type Bindings = Readonly<Record<string, unknown>> & { readonly SHARDS: Namespace };

let now = Date.now();
const clock = (): number => now;
const lines: string[] = [];
for (const level of ['debug', 'info', 'warn', 'error'] as const) {
  console[level] = (line: string) => void lines.push(line);
}

const fronts = new Map<string, Edge>();

type ShardClass = new (state: never, bindings: never) => { alarm(): Promise<void>; status(): ShardStatus };

export class EdgeShard extends (createEdge({}, clock).EdgeShard as unknown as ShardClass) {
  /** Forwards what waits. Alarms are set by the test's clock, so they come much too early or not at all. */
  async forward(): Promise<ShardStatus> {
    await this.alarm();
    return this.status();
  }
}

export default {
  async fetch(request: Request, bindings: Bindings): Promise<Response> {
    const headers = new Headers(request.headers);
    const front = JSON.parse(headers.get('x-test-front') ?? '{}') as FrontHeader;
    headers.delete('x-test-front');
    now = front.at;
    const shards = shardsOf(bindings.SHARDS, front.name);
    const { pathname } = new URL(request.url);
    if (pathname === '/test-lines') return Response.json(lines.splice(0));
    if (pathname === '/test-forward')
      return Response.json(await forwardAll(shards, Number(bindings.SALLYPORT_EDGE_SHARDS)));
    const edge = fronts.get(front.name) ?? createEdge({}, clock);
    fronts.set(front.name, edge);
    return edge.fetch(new Request(request, { headers }), { ...bindings, ...front.settings, SHARDS: shards });
  },
};

const shardsOf = (shards: Namespace, front: string): Namespace => ({
  idFromName: (name) => shards.idFromName(`${front}:${name}`),
  get: (id, options) => shards.get(id, options),
});

const forwardAll = (shards: Namespace, count: number): Promise<ShardStatus[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, number) => {
      const shard = shards.get(shards.idFromName(`default/${number}`)) as { forward(): Promise<ShardStatus> };
      return JSON.parse(JSON.stringify(await shard.forward())) as ShardStatus;
    }),
  );
