import { createEdge } from '../../src/app/edge/worker.ts';

/** The Worker as it is deployed, with a clock that tests set: `POST /test-clock` with epoch ms, or nothing for the real one. */
let fixed: number | undefined;
const { fetch, EdgeShard } = createEdge({}, () => fixed ?? Date.now());

export { EdgeShard };

export default {
  async fetch(request: Request, bindings: object): Promise<Response> {
    if (new URL(request.url).pathname !== '/test-clock') return fetch(request, bindings);
    const text = await request.text();
    fixed = text === '' ? undefined : Number(text);
    return new Response(null, { status: 204 });
  },
};
