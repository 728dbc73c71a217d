/**
 * Whether an HTTP status proves that a request that posts was not carried out. A client error does, except 408, and so
 * do 307 and 308, which say that the same request is to be made elsewhere. A 5xx may come after the effect, from the
 * server or from a gateway before it; so may any other redirect.
 */
export const provesRefusal = (status: number): boolean =>
  (status >= 400 && status < 500 && status !== 408) || status === 307 || status === 308;
