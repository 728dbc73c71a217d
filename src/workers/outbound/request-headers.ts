import { validateHeaderName, validateHeaderValue } from 'node:http';
import { ACCEPT_ENCODING } from './body.ts';
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
 * Lower-cases and checks what the caller wants to send, and adds what every request carries.
 * @throws OutboundError `request-malformed`: a reserved name, a name twice, or characters that would end the header.
 */
export function requestHeaders(given: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = { accept: '*/*', 'user-agent': 'sallyport' };
  const seen = new Set<string>();
  for (const [written, value] of Object.entries(given)) {
    const name = written.toLowerCase();
    if (reserved.has(name) || seen.has(name) || !isSound(name, value)) throw blocked('request-malformed');
    seen.add(name);
    headers[name] = value;
  }
  return { ...headers, 'accept-encoding': ACCEPT_ENCODING };
}

function isSound(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}
