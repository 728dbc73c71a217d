/**
 * Headers of every answer. Nothing here is a page and nothing may be kept by a cache: answers hold events, replies and
 * names of people. Each has the value that OWASP's HTTP Headers Cheat Sheet gives an API.
 */
export const answerHeaders: Readonly<Record<string, string>> = Object.freeze({
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
});

/**
 * The same for an answer that came over HTTPS (RFC 6797, 7.2: never without). One year; not for subdomains, which may
 * belong to others.
 */
export const secureAnswerHeaders: Readonly<Record<string, string>> = Object.freeze({
  ...answerHeaders,
  'strict-transport-security': 'max-age=31536000',
});
