import { afterEach, describe, expect, it } from 'vitest';
import { SallyportError } from '../../../src/core/errors.ts';
import type { Store } from '../../../src/queue/store.ts';
import { type GraphItem, graphDelivery, graphItem } from '../../../src/testing/graph/signer.ts';
import { graphStatus } from '../../contracts/graph-status.contract.ts';
import { openNodeFront } from '../../support/fronts.ts';
import { CLIENT_STATE, type GraphGate, type GraphGateOptions, openGraphGate } from '../../support/graph-gate.ts';

graphStatus('Node', openNodeFront);

/** What only Node has: a store that is away or full, a process that stops, and a Graph whose calls are counted. */
describe("Graph's status table, of what only Node has: deliveries", () => {
  let gate: GraphGate;
  const open = async (options: GraphGateOptions = {}): Promise<void> => {
    gate = await openGraphGate(options);
  };
  afterEach(() => gate.stop());

  const RESOURCE = 'Users/ddfcd489-628b-40d7-b48b-57002df800e5/Messages/AAMkAGUw=';
  const mail = (overrides: Partial<Parameters<typeof graphItem>[0]> = {}): GraphItem =>
    graphItem({ tenantId: gate.graph.tenantId, clientState: CLIENT_STATE, resource: RESOURCE, ...overrides });
  const send = (items: readonly unknown[]): Promise<Response> => gate.post('', graphDelivery(items));
  const withAccept = (accept: Store['inbox']['accept']): GraphGateOptions => ({
    around: (store) => ({ ...store, inbox: { accept } }),
  });

  it('are answered without asking Graph anything: what it says is fetched later', async () => {
    await open({ graph: { fault: () => ({ kind: 'delay', ms: 60_000 }) } });
    expect((await send([mail(), mail({ resource: 'Users/u/Messages/m2' })])).status).toBe(202);
    expect(gate.graph.calls).toEqual([]);
    expect(await gate.events('queued')).toHaveLength(2);
  });

  it('are answered 503 with Retry-After while the store is away, and accepted when they come again', async () => {
    const away = new SallyportError('ERR_STORE_UNAVAILABLE', 'the store is away');
    await open(withAccept(() => Promise.reject(away)));
    const response = await send([mail()]);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
  });

  it('are answered 503 at the cap of waiting events', async () => {
    await open({ limits: { queueCap: 1 } });
    expect((await send([mail(), mail({ resource: 'Users/u/Messages/m2' })])).status).toBe(503);
  });

  it('are answered 503 while the process is stopping', async () => {
    await open({ isDraining: () => true });
    expect((await send([mail()])).status).toBe(503);
  });
});
