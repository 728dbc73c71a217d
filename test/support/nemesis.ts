import { sleep } from './campaign.ts';

/** Something that is killed with SIGKILL and started again. */
export interface Victim {
  readonly name: string;
  /** Share of the kills; all shares add up to 1. */
  readonly weight: number;
  strike(random: () => number): Promise<void>;
}

export interface FirePlan {
  readonly victims: readonly Victim[];
  readonly random: () => number;
  /** Messages acknowledged to their sender whose effect has not been seen yet. */
  readonly pending: () => number;
}

export interface Kills {
  readonly struck: number;
  /** Kills that hit while something acknowledged was still without its effect. */
  readonly betweenAckAndEffect: number;
}

/** Fewer kills than that prove nothing. */
export const MIN_KILLS = 5;

/** Kills one victim every 150 to 500 ms until the load is over and enough were killed. */
export async function underFire(load: Promise<void>, { victims, random, pending }: FirePlan): Promise<Kills> {
  let isOver = false;
  const done = load.finally(() => {
    isOver = true;
  });
  // It may fail while a victim starts again; the error is thrown below.
  done.catch(() => {});
  let struck = 0;
  let betweenAckAndEffect = 0;
  while (!isOver || struck < MIN_KILLS) {
    await sleep(150 + random() * 350);
    if (pending() > 0) betweenAckAndEffect += 1;
    await victimAt(victims, random()).strike(random);
    struck += 1;
  }
  await done;
  return { struck, betweenAckAndEffect };
}

function victimAt(victims: readonly Victim[], share: number): Victim {
  let sum = 0;
  for (const victim of victims) {
    sum += victim.weight;
    if (share < sum) return victim;
  }
  return victims.at(-1) as Victim;
}

export const pick = <T>(all: readonly T[], random: () => number): T => all[Math.floor(random() * all.length)] as T;
