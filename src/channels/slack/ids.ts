/**
 * Slack's ids are letters and digits; `_` and `-` occur in its own examples. They become names, keys and destinations
 * without being scrubbed, so nothing else gets through.
 */
const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** Seconds, a dot and a counter. Kept as text for ever: as a number it would lose digits, and messages would merge. */
const TS = /^[0-9]{1,12}\.[0-9]{1,9}$/;

export const isId = (value: string): boolean => ID.test(value);
export const isTs = (value: string): boolean => TS.test(value);

/** Slack sends absent ids as null, as '' or not at all. */
export const present = (value: string | null | undefined): string | undefined =>
  value === null || value === '' ? undefined : value;
