import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/queue/store.ts';
import { apiGuardContract } from './api-guard.contract.ts';
import { attemptsContract } from './attempts.contract.ts';
import { auditContract } from './audit.contract.ts';
import { callbacksContract } from './callbacks.contract.ts';
import { erasureContract } from './erasure.contract.ts';
import { eventsContract } from './events.contract.ts';
import type { StoreHarness } from './harness.ts';
import { inboxContract } from './inbox.contract.ts';
import { isolationContract } from './isolation.contract.ts';
import { jobsContract } from './jobs.contract.ts';
import { journalContract } from './journal.contract.ts';
import { leaseContract } from './lease.contract.ts';
import { ledgerContract } from './ledger.contract.ts';
import { limitsContract } from './limits.contract.ts';
import { recordsContract } from './records.contract.ts';
import { relayContract } from './relay.contract.ts';
import { resolveContract } from './resolve.contract.ts';
import { retentionContract } from './retention.contract.ts';
import { reviewsContract } from './reviews.contract.ts';
import { revocationsContract } from './revocations.contract.ts';
import { transitionsContract } from './transitions.contract.ts';

type Contract = (name: string, harness: StoreHarness) => void;
type Ports = Omit<Store, 'check' | 'close'>;

/**
 * Which suite has the cases of a port's method. A method that is added does not compile without one, and a suite that
 * never calls what it is named for fails.
 */
const suites = {
  inbox: { accept: inboxContract },
  events: {
    get: eventsContract,
    list: eventsContract,
    redrive: eventsContract,
    resolve: resolveContract,
    park: eventsContract,
  },
  reviews: { decide: reviewsContract, sweep: reviewsContract },
  jobs: { consume: jobsContract, stats: jobsContract, parked: jobsContract, awaitResult: jobsContract },
  lease: { take: leaseContract, extend: leaseContract, finish: leaseContract, acquire: leaseContract },
  journal: { record: journalContract, replay: journalContract, now: journalContract },
  callbacks: { accept: callbacksContract },
  records: {
    get: recordsContract,
    list: recordsContract,
    compareAndSet: recordsContract,
    unreadable: recordsContract,
  },
  ledger: {
    reserve: ledgerContract,
    settle: ledgerContract,
    usage: ledgerContract,
    kill: ledgerContract,
    killed: ledgerContract,
  },
  limits: { take: limitsContract, lockedFor: limitsContract, fail: limitsContract, addUp: limitsContract },
  erasure: { erase: erasureContract, flush: erasureContract },
  audit: { append: auditContract, read: auditContract, head: auditContract },
} satisfies { readonly [P in keyof Ports]: Readonly<Record<keyof Ports[P], Contract>> };

/** What several ports promise together. */
const together: readonly Contract[] = [
  attemptsContract,
  retentionContract,
  isolationContract,
  transitionsContract,
  revocationsContract,
  apiGuardContract,
  relayContract,
];

/** Everything that every store promises. */
export function storeContract(name: string, harness: StoreHarness): void {
  const methodsOf = new Map<Contract, string[]>();
  for (const [port, methods] of Object.entries(suites)) {
    for (const [method, contract] of Object.entries<Contract>(methods)) {
      methodsOf.set(contract, [...(methodsOf.get(contract) ?? []), `${port}.${method}`]);
    }
  }
  for (const [contract, methods] of methodsOf) {
    const called = new Set<string>();
    contract(name, watching(harness, called));
    describe(`${name} ${contract.name}`, () => {
      it(`has called ${methods.join(', ')}`, () => {
        expect(methods.filter((method) => !called.has(method))).toEqual([]);
      });
    });
  }
  for (const contract of together) contract(name, harness);
}

/** The harness, whose stores note the methods of ports that are called. */
function watching(harness: StoreHarness, called: Set<string>): StoreHarness {
  const inner = new WeakMap<Store, Store>();
  const innerOf = (store: Store): Store => inner.get(store) ?? store;
  const watched = (store: Store): Store => {
    const outer = { ...store };
    for (const port of Object.keys(suites) as (keyof typeof suites)[]) {
      const noting = new Proxy(store[port], {
        get(target, method: string) {
          called.add(`${port}.${method}`);
          return Reflect.get(target, method);
        },
      });
      Object.assign(outer, { [port]: noting });
    }
    inner.set(outer, store);
    return outer;
  };
  const { loseWakes } = harness;
  return {
    open: async (overrides) => watched(await harness.open(overrides)),
    reopen: async (store) => watched(await harness.reopen(innerOf(store))),
    ...(loseWakes === undefined ? {} : { loseWakes: (store) => loseWakes(innerOf(store)) }),
    cleanup: () => harness.cleanup(),
  };
}
