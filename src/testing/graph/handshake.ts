import { randomUUID } from 'node:crypto';

/** Posts to the gate as Graph does. */
export type PostToGate = (url: string, init: RequestInit) => Promise<Response>;

/** What Graph waits for an answer to a validation request, in ms. */
const TIMEOUT_MS = 10_000;

/**
 * Asks a URL to echo a token, as Graph does while a subscription is being made: spaces are written as `+`, and the echo
 * must be exact. False when Graph would refuse to make the subscription.
 */
export async function validateEndpoint(url: string, post: PostToGate): Promise<boolean> {
  const token = `Validation: Testing client application reachability for subscription Request-Id: ${randomUUID()}`;
  const encoded = token.replaceAll(':', '%3a').replaceAll(' ', '+');
  try {
    const response = await post(`${url}${url.includes('?') ? '&' : '?'}validationToken=${encoded}`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: '',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const isText = /^text\/plain\b/.test(response.headers.get('content-type') ?? '');
    return (await response.text()) === token && response.status === 200 && isText;
  } catch {
    return false;
  }
}
