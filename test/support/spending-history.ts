import type { Fact } from './spenders.ts';

/** What the history of all processes proves. */
export interface Verdict {
  /** In words; empty when nothing is wrong. */
  readonly violations: readonly string[];
  /** Micro-dollars of every call the vendor served. */
  readonly billed: number;
  /** Between what the ledger must have spent for good and what it may have at most, once every reservation is over. */
  readonly spent: { readonly least: number; readonly most: number };
  /** Calls the vendor served and whose worker was killed before it could settle. */
  readonly unsettled: number;
}

interface Reservation {
  readonly asked: number;
  state: 'asked' | 'held' | 'refused' | 'settling' | 'settled' | 'late';
  actual: number;
  /** The vendor served the call it was made for. */
  served: boolean;
}

/**
 * Replays the facts in the order in which they happened. At each instant what is certainly reserved (from the ledger's
 * answer until its holder begins to settle) and what is certainly spent must stay under the cap together, and so must
 * what the vendor billed.
 */
export function judge(history: readonly Fact[], capMicros: number): Verdict {
  const violations: string[] = [];
  const reservations = new Map<string, Reservation>();
  /** The latest reservation of each run, whose calls follow one another. */
  const holding = new Map<string, Reservation>();
  let certain = 0;
  let billed = 0;

  const known = (id: string): Reservation => {
    const found = reservations.get(id);
    if (found === undefined) throw new Error(`a reservation nobody asked for: ${id}`);
    return found;
  };
  const enter = (id: string, state: Reservation['state']): Reservation => Object.assign(known(id), { state });
  const step: Record<Fact['what'], (fact: Fact) => void> = {
    begun: () => {},
    ended: () => {},
    ask({ id, micros }) {
      reservations.set(id, { asked: micros, state: 'asked', actual: 0, served: false });
    },
    refused({ id }) {
      enter(id, 'refused');
    },
    held({ id, run, micros }) {
      holding.set(run, enter(id, 'held'));
      certain += micros;
    },
    billed({ run, micros }) {
      billed += micros;
      const reservation = holding.get(run);
      if (reservation === undefined || reservation.served) violations.push(`${run}: served without a reservation`);
      else if (micros > reservation.asked) violations.push(`${run}: billed more than was reserved`);
      if (reservation !== undefined) reservation.served = true;
    },
    settling({ id, micros }) {
      const reservation = enter(id, 'settling');
      reservation.actual = micros;
      certain -= reservation.asked - micros;
    },
    settled({ id }) {
      enter(id, 'settled');
    },
    late({ id }) {
      const reservation = enter(id, 'late');
      certain += reservation.asked - reservation.actual;
    },
  };
  for (const fact of [...history].sort((a, b) => a.at - b.at)) {
    step[fact.what](fact);
    if (certain > capMicros) violations.push(`${fact.at}: ${certain} reserved and spent`);
    if (billed > capMicros) violations.push(`${fact.at}: ${billed} billed`);
  }
  const all = [...reservations.values()];
  const unsettled = all.filter(({ state, served }) => state === 'held' && served).length;
  return { violations, billed, spent: finalSpent(all), unsettled };
}

/** Runs with a call that the vendor served and nobody began to settle. */
export function runsInFlight(history: readonly Fact[]): ReadonlySet<string> {
  const runOf = new Map<string, string>();
  const inFlight = new Set<string>();
  for (const { what, id, run } of history) {
    if (what === 'held') runOf.set(id, run);
    else if (what === 'billed') inFlight.add(run);
    else if (what === 'settling') inFlight.delete(runOf.get(id) ?? '');
  }
  return inFlight;
}

/** Whose answer was never heard may have been booked or not. */
function finalSpent(reservations: readonly Reservation[]): Verdict['spent'] {
  let least = 0;
  let most = 0;
  for (const { state, asked, actual } of reservations) {
    if (state === 'refused') continue;
    least += state === 'asked' ? 0 : state === 'settled' || state === 'settling' ? actual : asked;
    most += state === 'settled' ? actual : asked;
  }
  return { least, most };
}
