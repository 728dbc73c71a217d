/** What a copy of the embedded data file holds. */
export interface CopyFacts {
  readonly bytes: number;
  readonly sha256: string;
  readonly version: number;
  /** Epoch ms. */
  readonly madeAt: number;
  /** Number of events by state. */
  readonly events: Readonly<Record<string, number>>;
  readonly auditEntries: number;
}

/** Copies of the embedded store. Each throws an error whose message names the file or setting and a remedy. */
export interface StoreCopies {
  readonly copy: (dataDir: string, to: string) => Promise<CopyFacts>;
  readonly check: (from: string, sha256?: string) => Promise<CopyFacts>;
  /** `idKeys`: those of which one must be the copy's; none: it is not compared. */
  readonly restore: (
    from: string,
    dataDir: string,
    expected: { readonly idKeys: readonly Uint8Array[]; readonly sha256?: string },
  ) => Promise<CopyFacts>;
}

/** What the store says of itself. */
export interface StoreCounts {
  readonly events: Readonly<Record<string, number>>;
  readonly parkedByCode: Readonly<Record<string, number>>;
  /** Ms that the oldest event has waited for its first attempt. */
  readonly oldestMs: number;
}
