/**
 * Has the runtime go on with work after the answer to the request that started it. On Workers a request that has ended takes
 * its unfinished calls with it: their promises then never settle, unless they were given to `waitUntil`.
 */
export type KeepAlive = (work: Promise<unknown>) => void;
