import { codeOf, type ErrorCode } from '../core/errors.ts';
import { withinTime } from '../core/linked-signal.ts';

export interface Check {
  readonly name: string;
  /** A failing optional check is shown as `degraded` and does not make the process unready. */
  readonly isOptional?: boolean;
  /** Resolves when all is well. @throws an error whose code is shown */
  readonly probe: () => Promise<void>;
}

export interface CheckResult {
  readonly status: 'ok' | 'degraded' | 'failed';
  readonly latencyMs: number;
  readonly code?: ErrorCode;
}

export interface Readiness {
  readonly status: 'ok' | 'failed';
  readonly checks: Readonly<Record<string, CheckResult>>;
}

export interface ReadyMonitor {
  current(): Readiness;
  /** Runs every check once, now. */
  refresh(): Promise<void>;
  stop(): void;
}

/** Milliseconds between looks. */
const EVERY_MS = 2_000;
/** A probe that has not answered by then has failed; below the 2 s in which a delivery is refused. */
const PROBE_MS = 1_500;
/** Looks in a row that must agree before a known state flips: one slow answer flips nothing. */
const TO_FLIP = 2;

interface Known {
  shown: CheckResult;
  contrary: number;
}

/** Looks at each dependency in the background, so that asking `/ready` costs nothing and waits for nobody. */
export function watchReadiness(checks: readonly Check[], isDraining: () => boolean): ReadyMonitor {
  const known = new Map<string, Known>();
  const refresh = async (): Promise<void> => {
    await Promise.all(
      checks.map(async (check) => {
        known.set(check.name, settle(known.get(check.name), await look(check)));
      }),
    );
  };
  const timer = setInterval(() => void refresh(), EVERY_MS);
  timer.unref();
  return {
    refresh,
    stop: () => clearInterval(timer),
    current() {
      const results = Object.fromEntries([...known].map(([name, { shown }]) => [name, shown]));
      const isComplete = known.size === checks.length;
      const isFailed = Object.values(results).some(({ status }) => status === 'failed');
      return { status: isComplete && !isFailed && !isDraining() ? 'ok' : 'failed', checks: results };
    },
  };
}

function settle(before: Known | undefined, latest: CheckResult): Known {
  if (before === undefined || before.shown.status === latest.status) return { shown: latest, contrary: 0 };
  const contrary = before.contrary + 1;
  return contrary >= TO_FLIP ? { shown: latest, contrary: 0 } : { shown: before.shown, contrary };
}

async function look({ probe, isOptional = false }: Check): Promise<CheckResult> {
  const startedAt = performance.now();
  const latencyMs = (): number => Math.round(performance.now() - startedAt);
  try {
    await withinTime(PROBE_MS, undefined, probe);
    return { status: 'ok', latencyMs: latencyMs() };
  } catch (error) {
    return { status: isOptional ? 'degraded' : 'failed', latencyMs: latencyMs(), code: codeOf(error) };
  }
}
