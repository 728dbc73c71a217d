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
  | ProxyReason
  | 'timeout';

/** What went wrong at the proxy of `SALLYPORT_HTTPS_PROXY`: nothing was sent to the host itself. */
export type ProxyReason = keyof typeof proxyTexts;

const proxyTexts = {
  'proxy-unreachable': 'the proxy does not answer',
  'proxy-unauthorized': 'the proxy does not accept its credentials',
  'proxy-refused': 'the proxy refuses to connect to the host',
};

const isProxyReason = (reason: string): reason is ProxyReason => Object.hasOwn(proxyTexts, reason);

/** A guarded request that came to nothing. Neither text nor `cause` tells the URL, a host or an address. */
export class OutboundError extends SallyportError {
  readonly reason: OutboundReason;

  constructor(code: ErrorCode, reason: OutboundReason) {
    super(code, textOf(reason), { reason });
    this.reason = reason;
  }
}

/** It names the setting and says what is wrong with it, so it is worth telling as it is. */
export const isProxyError = (error: unknown): error is OutboundError =>
  error instanceof OutboundError && isProxyReason(error.reason);

const textOf = (reason: OutboundReason): string =>
  isProxyReason(reason) ? `SALLYPORT_HTTPS_PROXY: ${proxyTexts[reason]}` : `outbound request stopped: ${reason}`;

/** Refused before a socket was opened for it; trying again changes nothing. */
export const blocked = (reason: OutboundReason): OutboundError => new OutboundError('ERR_OUTBOUND_BLOCKED', reason);

/** The other side, or the way to it, failed; may be tried again. */
export const failed = (reason: OutboundReason): OutboundError => new OutboundError('ERR_OUTBOUND_FAILED', reason);
