import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { echoAgent } from '../../src/workers/agents/echo.ts';
import { createGuardrails } from '../../src/workers/guardrails/guardrails.ts';
import { type RunDeps, run } from '../../src/workers/run.ts';
import { auditOver } from './audit.ts';
import { budgetsOver } from './budget.ts';
import { reviewing } from './review.ts';

/** A worker with the echo agent, for a front whose senders wait for the reply. Nothing is posted to a vendor. */
export const echoWork =
  (clock: () => number) =>
  (store: Store): void => {
    const deps: RunDeps = {
      agentFor: () => echoAgent,
      guardrailsWith: (own) => createGuardrails(own, { meter: silentMeter, logger: silentLogger }),
      memory: null,
      replier: () => ({ send: async () => ({ kind: 'unsent' }), find: async () => 'absent' }),
      reader: () => null,
      inbox: store.inbox,
      prepare: () => [],
      lease: store.lease,
      journal: store.journal,
      scrub: createScrubber({ crypto: nodeCrypto, key: new Uint8Array(32).fill(7) }),
      meter: silentMeter,
      clock,
      random: () => 0.5,
      leaseMs: defaultLimits.leaseMs,
      maxAttempts: 5,
      replyTimeoutMs: 10_000,
      blockedNotice: null,
      disclosureOf: () => null,
      openBudget: budgetsOver(store),
      shutdown: new AbortController().signal,
      logger: silentLogger,
      ...reviewing(),
      isStopping: () => false,
      audit: auditOver(store),
    };
    store.jobs.consume({ concurrency: 4, run: (conversation) => run(conversation, deps) });
  };
