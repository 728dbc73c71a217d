/** What one process is to tell. */
export interface AuditPlan {
  readonly store: { readonly url: string; readonly prefix: string } | { readonly path: string };
  readonly name: string;
  /** Writers at the same time. */
  readonly writers: number;
  /** Calls of each writer; each adds two entries. */
  readonly each: number;
  /** The file it writes the acknowledged subjects to. */
  readonly acknowledged: string;
}
