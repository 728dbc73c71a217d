/** Seeds of a fault campaign: 20 in CI, a few on a developer's machine; `SALLYPORT_TEST_SEEDS` says how many. */
export function seeds(): number[] {
  const count = Number(process.env.SALLYPORT_TEST_SEEDS ?? (process.env.CI === 'true' ? 20 : 3));
  return Array.from({ length: count }, (_, index) => index + 1);
}
