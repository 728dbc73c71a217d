/** A person as one channel of a tenant names them. */
export interface Person {
  readonly tenant: string;
  readonly channel: string;
  /** `Author.id`. An id with an `@` is an address and is compared without regard to case. */
  readonly user: string;
}

export interface ErasedPage {
  /** Events whose content was erased. */
  readonly events: number;
  /** Those of them that had not ended: they are `ignored` (ERR_ERASED) now and never run. */
  readonly cancelled: number;
  /** Where the next call goes on, opaque. Absent after the tenant's last event. */
  readonly cursor?: string;
}

/** Erasure of what a person said and of what was made of it. */
export interface Erasure {
  /**
   * Looks at a bounded number of the tenant's events, oldest first, and erases those of the person, each in one atomic
   * step: text, payload, destination, capabilities, author, journal, replies. Ids, times, usage and the mark by which
   * the event is known as seen stay. An event that runs loses its lease. An event that was erased has no author any
   * more, so a call that is made again does nothing twice.
   * @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_INVALID_REQUEST for a cursor that no page gave
   */
  erase(person: Person, cursor?: string): Promise<ErasedPage>;
  /**
   * Takes what was deleted out of the store's own files. False where bytes of it may still be there: in the append-only
   * file of a Redis until its next rewrite, in the log of a data file while another process reads it.
   * @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  flush(): Promise<boolean>;
}

/** Addresses are written in any case (of ASCII), whatever a provider makes of it; all other ids are compared exactly. */
export const isSamePerson = (one: string, other: string): boolean => foldedId(one) === foldedId(other);

/** An id as it is compared. */
export const foldedId = (id: string): string =>
  id.includes('@') ? id.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : id;
