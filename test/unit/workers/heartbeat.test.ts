import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Replier } from '../../../src/channels/channel.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import type { HeldLease, Lease } from '../../../src/queue/lease.ts';
import type { Agent, AgentContext } from '../../../src/workers/agent.ts';
import { type Heartbeat, startHeartbeat } from '../../../src/workers/attempt/attempt.ts';
import { sleep } from '../../support/clock.ts';
import { type Gate, type GateOptions, openGate } from '../../support/gate.ts';
import { message, postSlack } from '../../support/slack.ts';
import { until, within } from '../../support/until.ts';

const LEASE_MS = 3_000;

describe('the heartbeat', () => {
  const held: HeldLease = { conversation: { tenant: 'acme', key: 'k' }, eventId: 'ev_1', token: 7, run: 1 };
  let beats: HeldLease[];
  let answer: () => Promise<boolean>;
  let heartbeat: Heartbeat;

  beforeEach(() => {
    vi.useFakeTimers();
    beats = [];
    answer = async () => true;
    const extend: Lease['extend'] = (lease) => {
      beats.push(lease);
      return answer();
    };
    heartbeat = startHeartbeat({ extend } as Lease, held, LEASE_MS);
  });
  afterEach(() => {
    heartbeat.stop();
    vi.useRealTimers();
  });
  const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
  const away = async (): Promise<boolean> => {
    throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
  };

  it('beats three times in the life of a lease, with that lease, and not after it was stopped', async () => {
    await pass(LEASE_MS * 3);
    expect(beats).toEqual(Array(9).fill(held));
    expect(heartbeat.signal.aborted).toBe(false);
    heartbeat.stop();
    await pass(LEASE_MS * 3);
    expect(beats).toHaveLength(9);
  });

  it('aborts at the first beat that finds the lease lost', async () => {
    await pass(LEASE_MS);
    answer = async () => false;
    expect(heartbeat.signal.aborted).toBe(false);
    await pass(LEASE_MS / 3);
    expect(heartbeat.signal.aborted).toBe(true);
  });

  it('takes a store that is away for no loss, until another worker may have begun', async () => {
    await pass(LEASE_MS);
    answer = away;
    await pass(LEASE_MS - 1);
    expect(heartbeat.signal.aborted).toBe(false);
    await pass(1);
    expect(heartbeat.signal.aborted).toBe(true);
  });

  it('counts from the latest good beat', async () => {
    for (let outage = 0; outage < 4; outage += 1) {
      answer = away;
      await pass((LEASE_MS * 2) / 3);
      answer = async () => true;
      await pass(LEASE_MS / 3);
    }
    expect(heartbeat.signal.aborted).toBe(false);
  });

  it('counts from when a good beat was sent, because the store counts from when it came', async () => {
    // The answer to the first beat takes half of a lease's life; no later beat is answered.
    answer = () => sleep(LEASE_MS / 2).then(() => true);
    await pass(LEASE_MS / 3);
    answer = away;
    await pass(LEASE_MS - 1);
    expect(heartbeat.signal.aborted).toBe(false);
    await pass(1);
    expect(heartbeat.signal.aborted).toBe(true);
  });
});

describe('a run whose lease is lost', () => {
  /** Short, so that a beat comes every 100 ms. */
  const leaseMs = 300;
  let gate: Gate;
  let stopped: number;
  let sent: string[];
  afterEach(() => gate.stop());

  /** An agent that ends only when it is told to, and has something to say then. */
  const untilTold = (context: AgentContext): Promise<void> =>
    new Promise((resolve) => {
      context.signal.addEventListener('abort', () => {
        stopped += 1;
        resolve();
      });
    });
  const agent: Agent = {
    name: 'slow',
    async run(_, context) {
      await untilTold(context);
      return { kind: 'reply', text: 'too late' };
    },
  };

  async function begin(options: GateOptions = {}) {
    stopped = 0;
    sent = [];
    const replier: Replier = {
      send: async ({ text }) => {
        sent.push(text);
        return { kind: 'delivered' };
      },
      find: async () => 'absent',
    };
    gate = await openGate({ agent, replier, limits: { leaseMs }, ...options });
    const { eventId } = await postSlack(gate.app, message({ text: 'hello' }));
    const id = eventId ?? '';
    const ref = { tenant: 'default', key: (await gate.store.events.get('default', id))?.event.conversation.key ?? '' };
    const ended = gate.drain(ref);
    const isRunning = async () => (await gate.store.events.get('default', id))?.state === 'running';
    await until('the agent runs', isRunning, { everyMs: 5 });
    return { id, ref, ended };
  }

  it('is stopped, also while it would go on for long, and posts nothing', async () => {
    const { id, ended } = await begin();
    await sleep(2 * leaseMs);
    // As long as the lease is ours nobody stops it.
    expect(stopped).toBe(0);
    expect((await gate.store.events.park('default', id)).kind).toBe('ok');
    await within('the run to be stopped', 10_000, ended);
    expect([stopped, sent]).toEqual([1, []]);
    expect(await gate.store.events.get('default', id)).toMatchObject({
      state: 'parked',
      failure: { code: 'ERR_PARKED_BY_OPERATOR' },
    });
  });

  it('is stopped when the store has been away for the life of the lease, and posts nothing', async () => {
    let isAway = false;
    const leaseOver = (lease: Lease): Lease => ({
      ...lease,
      extend: (held) =>
        isAway ? Promise.reject(new SallyportError('ERR_STORE_UNAVAILABLE', 'away')) : lease.extend(held),
    });
    const { ended } = await begin({ leaseOver });
    isAway = true;
    await within('the run to be stopped', 10_000, ended);
    expect([stopped, sent]).toEqual([1, []]);
  });

  it('does not post what the agent had ready at that moment', async () => {
    let isLost = false;
    const leaseOver = (lease: Lease): Lease => ({
      ...lease,
      extend: async (held) => !isLost && lease.extend(held),
    });
    // It does not listen, and its answer is there in the moment in which the beat finds the lease lost.
    const deaf: Agent = {
      name: 'deaf',
      async run(_, context) {
        await until('the lease is lost', () => context.signal.aborted, { everyMs: 1 });
        stopped += 1;
        return { kind: 'reply', text: 'too late' };
      },
    };
    const { ended } = await begin({ agent: deaf, leaseOver });
    isLost = true;
    await within('the run to be stopped', 10_000, ended);
    await until('the agent has ended', () => stopped === 1);
    expect(sent).toEqual([]);
  });
});
