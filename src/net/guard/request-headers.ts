import { ACCEPT_ENCODING } from '../body.ts';
import { blocked } from './reasons.ts';

/** What the client itself says, so that message framing and the pinned host cannot be argued with. */
const reserved = new Set([
  'host',
  'connection',
  'keep-alive',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'accept-encoding',
  'proxy-authorization',
  'proxy-connection',
]);

/**
 * Lower-cases what the caller wants to send and adds what every request carries. Characters that would end a header are
 * refused by undici, before it opens a socket.
 * @throws OutboundError `request-malformed`: a reserved name, or a name twice.
 */
export function requestHeaders(given: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = { accept: '*/*', 'user-agent': 'sallyport' };
  const seen = new Set<string>();
  for (const [written, value] of Object.entries(given)) {
    const name = written.toLowerCase();
    if (reserved.has(name) || seen.has(name)) throw blocked('request-malformed');
    seen.add(name);
    headers[name] = value;
  }
  return { ...headers, 'accept-encoding': ACCEPT_ENCODING };
}
