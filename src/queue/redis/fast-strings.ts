/**
 * ioredis declares a class that extends String (`resp/verbatim-string`). V8 then takes `String.prototype` for an object
 * that is still being set up, and every call of a method on any string of the process, `charCodeAt` above all, goes the
 * slow way: scrubbing takes two to three times as long (`npx tsx bench/strings.ts`). Calls through an instance of such
 * a class, seen often enough to be cached, make it look at its prototypes again. Changes nothing else.
 */
export function makeStringsFast(): void {
  class Text extends String {}
  const text = new Text('text');
  for (let call = 0; call < CALLS; call += 1) text.charCodeAt(0);
}

/** V8 caches after a few; the rest is margin. */
const CALLS = 100;
