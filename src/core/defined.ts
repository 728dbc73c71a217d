/** Members that may be absent, but not `undefined`. */
type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

/**
 * The members that have a value, to be spread into an object with optional members: `{ id, ...defined({ code, reply }) }`.
 * Types with `exactOptionalPropertyTypes`, and JSON, tell an absent member from one that is `undefined`.
 */
export function defined<T extends object>(members: T): Defined<T> {
  const kept: Partial<T> = {};
  for (const name in members) {
    if (members[name] !== undefined) kept[name] = members[name];
  }
  return kept as Defined<T>;
}
