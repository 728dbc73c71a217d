import { type DurableObjectNamespace, waitUntil } from 'cloudflare:workers';
import { webCrypto } from '../../core/crypto/crypto.web.ts';
import { toHex } from '../../core/crypto/encoding.ts';
import { SallyportError } from '../../core/errors.ts';
import { type App, isPlainTarget, unknownRoute } from '../../server/http/context.ts';
import { secureAnswerHeaders } from '../../server/http/headers.ts';
import { problem } from '../../server/http/respond.ts';
import { createEdgeApp, type OpenEdge, openConfig } from './edge.ts';
import { type ShardMethods, type ShardSettings, shardClass } from './shard-object.ts';

/** Bindings of the Worker: settings under the names of the environment, and the shards. */
interface Bindings {
  readonly SHARDS?: DurableObjectNamespace<ShardMethods>;
}

/** A Worker's handler and the class of its Durable Objects. */
export interface Edge {
  readonly fetch: (request: Request, bindings: object) => Promise<Response>;
  readonly EdgeShard: new (state: never, bindings: never) => object;
}

/**
 * The edge as a Worker: its handler, and the class of its Durable Objects, which has to be exported as `EdgeShard` beside it.
 * `config`: settings in the form of `sallyport.config`, without secrets; bindings of the environment's names come before it.
 */
export function createEdge(config: unknown = {}, clock: () => number = Date.now): Edge {
  // Once for an isolate: all requests to it, and all objects in it, have the same bindings.
  let opened: ReturnType<typeof openConfig> | undefined;
  let app: App | undefined;
  const open = (bindings: object): OpenEdge | null => {
    if (opened === undefined) {
      opened = openConfig(config, bindings);
      // Once, however many deliveries come; each of them is answered 503.
      if ('problems' in opened) tellProblems(opened.problems);
    }
    return 'problems' in opened ? null : opened;
  };
  const settingsOf = (bindings: object): ShardSettings | null => {
    const edge = open(bindings);
    if (edge === null) return null;
    const {
      relay,
      edge: { relayUrl = '' },
    } = edge.config;
    return { relayUrl, relayKeys: relay.keys ?? [], logger: edge.log };
  };
  const front = (bindings: Bindings): App | null => {
    if (app !== undefined) return app;
    const edge = open(bindings);
    const { SHARDS } = bindings;
    if (edge === null) return null;
    if (SHARDS === undefined) {
      tellProblems(['SHARDS: is not bound; wrangler.toml binds it to the class EdgeShard']);
      return null;
    }
    const { jurisdiction, location } = edge.config.edge;
    const namespace = jurisdiction === undefined ? SHARDS : SHARDS.jurisdiction(jurisdiction);
    const placed = location === undefined ? {} : { locationHint: location };
    const stub = (name: string) => namespace.get(namespace.idFromName(name), placed);
    const shard = (name: string) => ({
      accept: async (...call: Parameters<ShardMethods['accept']>) => copied(await stub(name).accept(...call)),
      status: async () => copied(await stub(name).status()),
      listParked: async (limit: number) => copied(await stub(name).listParked(limit)),
      resend: async (eventId: string) => copied(await stub(name).resend(eventId)),
      drop: async (eventId: string) => copied(await stub(name).drop(eventId)),
    });
    app = createEdgeApp(edge, { clock, keepAlive: waitUntil, shard });
    return app;
  };
  const fetch = async (request: Request, bindings: Bindings): Promise<Response> =>
    withHeaders(await answer(request, front(bindings)));
  return { fetch, EdgeShard: shardClass(settingsOf, clock) };
}

/** Names of settings and what is wrong with them; no value is among it. */
const tellProblems = (problems: readonly string[]): void =>
  console.error(JSON.stringify({ level: 'error', problems, msg: 'configuration.invalid' }));

/** What came over RPC as data of our own; the result itself is given back. */
function copied<T>(result: T & Partial<Disposable>): T {
  const copy = JSON.parse(JSON.stringify(result)) as T;
  result[Symbol.dispose]?.();
  return copy;
}

async function answer(request: Request, app: App | null): Promise<Response> {
  // Of what no app has seen. Randomness is only there within a request.
  const requestId = `${toHex(webCrypto.random(6))}-0`;
  if (app === null) return problem(new SallyportError('ERR_CONFIG_INVALID', ''), requestId);
  if (!isPlainTarget(request.url)) return unknownRoute(requestId);
  return app.fetch(request);
}

/** An answer of `fetch` must not be changed, so it is copied. */
function withHeaders(answered: Response): Response {
  const headers = new Headers({ ...secureAnswerHeaders });
  for (const [name, value] of answered.headers) headers.set(name, value);
  return new Response(answered.body, { status: answered.status, headers });
}

const { fetch, EdgeShard } = createEdge();

export { EdgeShard };
export default { fetch };
