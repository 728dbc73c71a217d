import { build } from 'esbuild';
import { Miniflare } from 'miniflare';
import { Agent, fetch as fetchOver } from 'undici';
import { edgeBundle } from '../../scripts/bundle.js';

export interface EdgeOptions {
  /** Settings, by the names of the environment. */
  readonly settings: Readonly<Record<string, string>>;
  /** Where the objects keep their data; default: in memory. */
  readonly folder?: string;
  readonly port?: number;
  /** Default: the Worker as it is deployed. */
  readonly worker?: string;
}

/** The edge's own bundle on the Workers runtime. */
export interface Edge {
  /** Without a slash at its end. */
  readonly url: string;
  request(request: Request): Promise<Response>;
  /** Sets the clock of the Worker and its objects. Nothing: the real one. */
  setClock(at?: number): Promise<void>;
  stop(): Promise<void>;
}

const built = new Map<string, Promise<string>>();

/** Bundles the Worker as `scripts/build.js` does, with the test's clock around it. */
async function bundleOf(entry: string): Promise<string> {
  const { outputFiles } = await build({
    ...edgeBundle,
    entryPoints: [entry],
    write: false,
  });
  return outputFiles?.[0]?.text ?? '';
}

export async function startEdge({
  settings,
  folder,
  port = 0,
  worker = 'test/support/edge-worker.ts',
}: EdgeOptions): Promise<Edge> {
  const bundle = built.get(worker) ?? bundleOf(worker);
  built.set(worker, bundle);
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path: 'edge.js', contents: await bundle }],
    compatibilityDate: '2026-04-01',
    durableObjects: { SHARDS: { className: 'EdgeShard', useSQLite: true } },
    ...(folder !== undefined && { durableObjectsPersist: folder }),
    bindings: settings,
    // Otherwise it asks the network where the machine is.
    cf: false,
    host: '127.0.0.1',
    port,
  });
  const url = (await miniflare.ready).href.replace(/\/$/, '');
  const request = async ({ url: href, method, headers, body }: Request): Promise<Response> => {
    const { pathname, search } = new URL(href);
    // Sockets of its own: workerd ends a connection whose body it has not read, and the next request on it would fail.
    const dispatcher = new Agent();
    try {
      const init = { method, headers: [...headers], body, redirect: 'manual', duplex: 'half', dispatcher };
      const answer = await fetchOver(url + pathname + search, init as Parameters<typeof fetchOver>[1]);
      const bytes = await answer.arrayBuffer();
      const { status } = answer;
      return new Response(bytes.byteLength > 0 ? bytes : null, { status, headers: [...answer.headers] });
    } finally {
      await dispatcher.destroy();
    }
  };
  return {
    url,
    request,
    async setClock(at) {
      await fetch(`${url}/test-clock`, { method: 'POST', body: at === undefined ? '' : String(at) });
    },
    stop: () => miniflare.dispose(),
  };
}
