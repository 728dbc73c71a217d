import { type ErrorCode, SallyportError } from '../../core/errors.ts';
import type { SpecialKind } from './address.ts';

/** Why a URL may not be fetched. Bounded words: they end in errors, audit entries and metric labels. */
export type UrlReason =
  | 'url-malformed'
  | 'scheme-not-allowed'
  | 'credentials-in-url'
  | 'host-not-canonical'
  | 'port-not-allowed'
  | 'host-not-listed'
  | 'name-local'
  | 'name-metadata'
  | `address-${SpecialKind}`;

/** The same for a hop: what its name resolves to counts as well. */
export type HopReason = UrlReason | 'dns-empty';

/** What stopped a request: a refusal of ours, or a failure of the other side. */
export type OutboundReason =
  | HopReason
  | `redirect-${HopReason}`
  | 'redirect-too-many'
  | 'redirect-carries-body'
  | 'request-malformed'
  | 'dns-failed'
  | 'connect-failed'
  | 'tls-failed'
  | 'connection-lost'
  | 'response-malformed'
  | 'response-too-large'
  | 'encoding-unsupported'
  | 'decoding-failed'
  | 'client-closed'
  | 'timeout';

/** A guarded request that came to nothing. Neither text nor `cause` tells the URL, a host or an address. */
export class OutboundError extends SallyportError {
  readonly reason: OutboundReason;

  constructor(code: ErrorCode, reason: OutboundReason) {
    super(code, `outbound request stopped: ${reason}`);
    this.reason = reason;
  }
}

/** Refused before a socket was opened for it; trying again changes nothing. */
export const blocked = (reason: OutboundReason): OutboundError => new OutboundError('ERR_OUTBOUND_BLOCKED', reason);

/** The other side, or the way to it, failed; may be tried again. */
export const failed = (reason: OutboundReason): OutboundError => new OutboundError('ERR_OUTBOUND_FAILED', reason);
