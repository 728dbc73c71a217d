import { type ErrorCode, SallyportError } from '../core/errors.ts';
import { withinTime } from '../core/linked-signal.ts';

export interface Check {
  readonly name: string;
  /** A failing optional check is shown as `degraded` and does not make the process unready. */
  readonly isOptional?: boolean;
  /** The code of a probe that does not answer in time, or that fails with no code of its own. Default: that of the store. */
  readonly silence?: ErrorCode;
  /** Milliseconds between two looks; default 2 s. */
  readonly everyMs?: number;
  /** The operator chose the name, which says what the gate depends on: it is shown only to those who have a token. */
  readonly isPrivate?: boolean;
  /** Resolves when all is well. The signal ends one that is given up. @throws an error whose code is shown */
  readonly probe: (signal: AbortSignal) => Promise<void>;
}

export interface CheckResult {
  /** `pending`: it has failed since the start, and not often enough to count. */
  readonly status: 'ok' | 'pending' | 'degraded' | 'failed';
  readonly latencyMs: number;
  readonly code?: ErrorCode;
}

export interface Readiness {
  readonly status: 'ok' | 'failed';
  readonly checks: Readonly<Record<string, CheckResult>>;
}

export interface ReadyMonitor {
  /** `showsNames`: with the names that the operator gave to checks; otherwise they are `check-1`, `check-2` and so on. */
  current(showsNames?: boolean): Readiness;
  /** Runs every check once, now. */
  refresh(): Promise<void>;
  stop(): void;
}

/** Milliseconds between looks. */
const EVERY_MS = 2_000;
/** A probe that has not answered by then has failed; below the 2 s in which a delivery is refused. */
const PROBE_MS = 1_500;
/** Failures in a row before a check that was well counts as failed: one slow answer takes no process out of service. */
const TO_FAIL = 3;
/** Successes in a row before a check that has failed counts as well. */
const TO_RECOVER = 2;

interface Known {
  shown: CheckResult;
  /** Looks in a row that said otherwise. */
  contrary: number;
}

/** Looks at each dependency in the background, so that asking `/ready` costs nothing and waits for nobody. */
export function watchReadiness(checks: readonly Check[], isDraining: () => boolean): ReadyMonitor {
  const known = new Map<Check, Known>();
  const dueAt = new Map<Check, number>();
  const lookAll = async (due: readonly Check[]): Promise<void> => {
    const lookAt = async (check: Check): Promise<void> => {
      const latest = await look(check);
      known.set(check, settle(known.get(check), latest, check));
    };
    await Promise.all(due.map(lookAt));
  };
  const timer = setInterval(() => {
    const now = performance.now();
    const due = checks.filter((check) => now >= (dueAt.get(check) ?? 0));
    // A timer may fire a little early.
    for (const check of due) dueAt.set(check, now + (check.everyMs ?? EVERY_MS) - EVERY_MS / 2);
    void lookAll(due);
  }, EVERY_MS);
  timer.unref();
  const ofOperator = checks.filter(({ isPrivate }) => isPrivate);
  return {
    refresh: () => lookAll(checks),
    stop: () => clearInterval(timer),
    current(showsNames = false) {
      const nameOf = (check: Check): string =>
        check.isPrivate && !showsNames ? `check-${ofOperator.indexOf(check) + 1}` : check.name;
      const results = checks.flatMap((check) => {
        const shown = known.get(check)?.shown;
        return shown === undefined ? [] : [[nameOf(check), shown] as const];
      });
      const isComplete = results.length === checks.length;
      const isFailed = results.some(([, { status }]) => status === 'failed');
      return {
        status: isComplete && !isFailed && !isDraining() ? 'ok' : 'failed',
        checks: Object.fromEntries(results),
      };
    },
  };
}

function settle(before: Known | undefined, latest: CheckResult, { isOptional = false }: Check): Known {
  // What a process does not need to serve may come up after it: it is given the time that any failure has.
  if (before === undefined) {
    const isPending = isOptional && latest.status !== 'ok';
    return isPending ? { shown: { ...latest, status: 'pending' }, contrary: 1 } : { shown: latest, contrary: 0 };
  }
  const { shown } = before;
  if (shown.status === latest.status) return { shown: latest, contrary: 0 };
  if (shown.status === 'pending' && latest.status === 'ok') return { shown: latest, contrary: 0 };
  const contrary = before.contrary + 1;
  const needed = latest.status === 'ok' ? TO_RECOVER : TO_FAIL;
  return contrary >= needed ? { shown: latest, contrary: 0 } : { shown, contrary };
}

async function look({ probe, isOptional = false, silence = 'ERR_STORE_UNAVAILABLE' }: Check): Promise<CheckResult> {
  const startedAt = performance.now();
  const latencyMs = (): number => Math.round(performance.now() - startedAt);
  try {
    await withinTime(PROBE_MS, undefined, probe);
    return { status: 'ok', latencyMs: latencyMs() };
  } catch (error) {
    const code = error instanceof SallyportError ? error.code : silence;
    return { status: isOptional ? 'degraded' : 'failed', latencyMs: latencyMs(), code };
  }
}
