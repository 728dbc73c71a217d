/**
 * Ids of Teams and the other Bot Framework channels: `19:…@thread.tacv2;messageid=…`, `a:1…`, `29:1…`, `f:…`, and
 * `…|0000001` on Web Chat. They become names, keys and paths without being scrubbed, so nothing else gets through.
 * The longest of Teams have about 250 characters.
 */
const ID = /^[A-Za-z0-9][A-Za-z0-9:;@=|._+/-]{0,511}$/;

export const isId = (value: string): boolean => ID.test(value);

/** The connector sends absent members as null, as '' or not at all. */
export const present = (value: string | null | undefined): string | undefined =>
  value === null || value === '' ? undefined : value;
