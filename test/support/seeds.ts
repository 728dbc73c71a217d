/** Seeds of a fault campaign where the setting is absent. */
const DEFAULT_SEEDS = 3;

/** Seeds of a fault campaign; `SALLYPORT_TEST_SEEDS` says how many. */
export function seeds(): number[] {
  const count = Number(process.env.SALLYPORT_TEST_SEEDS || DEFAULT_SEEDS);
  if (!Number.isInteger(count) || count < 1) throw new Error('SALLYPORT_TEST_SEEDS must be an integer of at least 1');
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Longest that one history of a campaign may take (ms): three minutes were not enough with ten times more work than cores. */
export const CAMPAIGN_MS = 600_000;
