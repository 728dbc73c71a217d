import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { silentMeter } from '../../../src/core/meter.ts';
import {
  type GraphItem,
  type GraphTokenOptions,
  graphDelivery,
  signGraphToken,
} from '../../../src/testing/graph/signer.ts';
import { graphForgeries } from '../../contracts/graph-forgeries.contract.ts';
import { openNodeFront } from '../../support/fronts.ts';
import { CLIENT_STATE, type GraphGate, openGraphGate } from '../../support/graph-gate.ts';

graphForgeries('Node', openNodeFront);

/** What only Node can show: a notification that is not believed causes no call of Graph. */

let gate: GraphGate;
let counts: string[] = [];
const send = async (items: readonly unknown[], tokens?: readonly unknown[], rest = ''): Promise<void> => {
  const response = await gate.post(rest, graphDelivery(items, tokens as string[] | undefined));
  expect([response.status, await response.text()]).toEqual([202, '']);
};

const token = (overrides: Partial<GraphTokenOptions> = {}): string => {
  const { key, tenantId, clientId } = gate.graph;
  return signGraphToken({ key, tenantId, clientId, at: gate.clock.now(), ...overrides });
};

describe('a forged lifecycle notification', () => {
  afterEach(() => gate.stop());

  const RESOURCE = 'users/agent@example.com/messages';
  const lifecycleEvents = ['reauthorizationRequired', 'subscriptionRemoved', 'missed'] as const;

  /** A gate that keeps a subscription, and mail it was not told of: whoever is believed has Graph asked for it. */
  async function openKeeping() {
    const delivery = (_channel: string, outcome: string, reason: string): void =>
      void counts.push(`${outcome} ${reason}`.trim());
    const isQuiet = { disturb: (item: GraphItem) => (item.lifecycleEvent ? {} : { copies: 0 }) };
    gate = await openGraphGate({ keep: [RESOURCE], graph: isQuiet, meter: { ...silentMeter, delivery } });
    await gate.keep();
    gate.clock.advance(60_000);
    gate.graph.mail('agent@example.com', { text: 'missed' });
    gate.clock.advance(60_000);
    counts = [];
    const nonce = gate.states.nonceOf('default', RESOURCE, 'created,updated');
    const [subscription] = gate.graph.subscriptions();
    if (subscription === undefined) throw new Error('there is no subscription');
    const honest = {
      subscriptionId: subscription.id,
      subscriptionExpirationDateTime: new Date(subscription.expiresAt).toISOString(),
      tenantId: gate.graph.tenantId,
      clientState: gate.states.stateOf('default', nonce),
    };
    return { nonce, honest };
  }

  it.each(lifecycleEvents)(
    '%s is quarantined and causes no call of Graph, whatever is wrong with it',
    async (event) => {
      const { nonce, honest } = await openKeeping();
      const other = gate.states.nonceOf('default', 'users/other@example.com/messages', 'created,updated');
      const { clientState: _, ...stateless } = honest;
      const { tenantId: __, ...homeless } = honest;
      const forged: [string, object][] = [
        ['client_state', stateless],
        ['client_state', { ...honest, clientState: '' }],
        ['client_state', { ...honest, clientState: null }],
        ['client_state', { ...honest, clientState: 'guessed' }],
        ['client_state', { ...honest, clientState: [honest.clientState] }],
        ['client_state', { ...honest, clientState: honest.clientState.slice(0, -1) }],
        ['client_state', { ...honest, clientState: CLIENT_STATE }],
        ['client_state', { ...honest, clientState: gate.states.stateOf('default', other) }],
        ['client_state', { ...honest, clientState: gate.states.stateOf('acme', nonce) }],
        ['other_tenant', { ...honest, tenantId: randomUUID() }],
        ['other_tenant', { ...honest, tenantId: null }],
        ['other_tenant', homeless],
      ];
      const asked = gate.graph.calls.length;
      for (const [reason, item] of forged) {
        for (const rest of [`/lifecycle/${nonce}`, `/${nonce}`]) {
          counts = [];
          await send([{ ...item, lifecycleEvent: event }], undefined, rest);
          expect(counts, JSON.stringify(item)).toEqual([`quarantined ${reason}`]);
        }
      }
      // The secret of the subscription, on every URL but its own; a hand-made one's opens none of ours.
      for (const rest of ['/lifecycle', '', `/lifecycle/${other}`, `/${other}`, `/lifecycle/${'A'.repeat(22)}`]) {
        counts = [];
        await send([{ ...honest, lifecycleEvent: event }], undefined, rest);
        expect(counts, rest).toEqual(['quarantined client_state']);
      }
      expect(await gate.events()).toEqual([]);
      await gate.work();
      expect(gate.graph.calls.slice(asked)).toEqual([]);

      await send([{ ...honest, lifecycleEvent: event }], undefined, `/lifecycle/${nonce}`);
      expect(counts.at(-1)).toBe('accepted');
      gate.clock.advance(15 * 60_000);
      await gate.work();
      expect(gate.graph.calls.length).toBeGreaterThan(asked);
    },
  );

  it.each(lifecycleEvents)('%s is quarantined beside a validation token that is not for us', async (event) => {
    const { nonce, honest } = await openKeeping();
    const item = { ...honest, lifecycleEvent: event };
    const tokens: [string, unknown][] = [
      ['token_audience', [token({ claims: { aud: randomUUID() } })]],
      ['token_sender', [token({ claims: { appid: randomUUID() } })]],
      ['token_signature_mismatch', [token({ tamper: 'wrong-key' })]],
      ['token_expired', [token({ tamper: 'stale' })]],
      ['token_malformed', ['a.b.c']],
      ['token_malformed', [token(), token()]],
    ];
    for (const [reason, validationTokens] of tokens) {
      counts = [];
      await gate.post(`/lifecycle/${nonce}`, { body: JSON.stringify({ value: [item], validationTokens }) });
      expect(counts).toEqual([`quarantined ${reason}`]);
    }
    const asked = gate.graph.calls.length;
    await gate.work();
    expect([await gate.events(), gate.graph.calls.length]).toEqual([[], asked]);
  });

  it('beside an honest one is taken apart from it', async () => {
    const { nonce, honest } = await openKeeping();
    const items = ['subscriptionRemoved', 'missed', 'reauthorizationRequired'].map((lifecycleEvent, at) => ({
      ...honest,
      ...(at === 1 ? {} : { clientState: 'guessed' }),
      lifecycleEvent,
    }));
    await send(items, undefined, `/lifecycle/${nonce}`);
    expect(counts.toSorted()).toEqual(['accepted', 'quarantined client_state', 'quarantined client_state']);
    expect((await gate.events()).map(({ event }) => event.payload)).toMatchObject([{ lifecycleEvent: 'missed' }]);
  });
});
