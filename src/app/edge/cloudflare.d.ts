/**
 * What the edge uses of the Workers runtime (developers.cloudflare.com/durable-objects/api). The runtime's own package of
 * types replaces the globals of Node, and one program can only have one set of them.
 */
declare module 'cloudflare:workers' {
  /** Its public methods can be called through a stub. */
  export abstract class DurableObject {
    protected readonly ctx: DurableObjectState;
    constructor(state: DurableObjectState, bindings: object);
    alarm?(): Promise<void>;
  }

  /** Lets the request that is being answered go on until the work has ended. */
  export function waitUntil(work: Promise<unknown>): void;

  export interface DurableObjectState {
    readonly id: { readonly name?: string };
    readonly storage: DurableObjectStorage;
    blockConcurrencyWhile<T>(work: () => Promise<T>): Promise<T>;
    /** Ends the object without a commit of what it wrote last. */
    abort(reason: string): void;
  }

  export interface DurableObjectStorage {
    readonly sql: {
      exec(query: string, ...values: readonly (string | number | null)[]): { toArray(): unknown[] };
      readonly databaseSize: number;
    };
    transactionSync<T>(work: () => T): T;
    /** Epoch ms; null when none is set, also while its handler runs. */
    getAlarm(): Promise<number | null>;
    setAlarm(at: number): Promise<void>;
  }

  /** Methods of an object as they are called from outside; what is returned has to be disposed. */
  export type Stub<Methods> = {
    readonly [Name in keyof Methods]: Methods[Name] extends (...args: infer Args) => infer Result
      ? (...args: Args) => Promise<Awaited<Result> & Partial<Disposable>>
      : never;
  };

  export interface DurableObjectNamespace<Methods> {
    idFromName(name: string): object;
    get(id: object, options: { readonly locationHint?: string }): Stub<Methods>;
    jurisdiction(name: string): DurableObjectNamespace<Methods>;
  }
}
