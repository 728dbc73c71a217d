import { describe, expect, it, onTestFinished } from 'vitest';
import type { Replier, SendContext } from '../../../src/channels/channel.ts';
import { createGmailClient, noCredentials } from '../../../src/channels/gmail/api/client.ts';
import { createGmailReplier } from '../../../src/channels/gmail/reply/reply.ts';
import { createGraphApi } from '../../../src/channels/graph/api/graph-api.ts';
import { createGraphReplier } from '../../../src/channels/graph/reply/reply.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { failureOfAnswer, failureOfThrown, provesRefusal } from '../../../src/net/call-outcome.ts';
import { blocked, failed, OutboundError } from '../../../src/net/guard/reasons.ts';
import { retryAfterMs } from '../../../src/net/retry-after.ts';
import { startGmailServer } from '../../../src/testing/gmail/server.ts';
import { freePort } from '../../support/free-port.ts';
import { MAILBOX, scrub } from '../../support/gmail.ts';
import { sendable } from '../../support/post-call.ts';
import { vendorFetch } from '../../support/vendor-fetch.ts';

describe('did it happen?', () => {
  it('no, says a client error but 408, and a redirect that keeps the method; nothing else does', () => {
    expect([307, 308, 400, 401, 404, 409, 429, 499].filter((status) => !provesRefusal(status))).toEqual([]);
    expect([300, 301, 302, 303, 304, 408, 500, 502, 503, 504, 520, 599].filter(provesRefusal)).toEqual([]);
  });

  it('an answer that passes tells when to come back', () => {
    const headers = new Headers({ 'retry-after': '7' });
    const passing = new Set([429]);
    const kind = 'unavailable';
    expect(failureOfAnswer({ status: 429, headers }, passing)).toEqual({ kind, why: 'http_429', retryAfterMs: 7_000 });
    expect(failureOfAnswer({ status: 429, headers: new Headers() }, passing)).toEqual({ kind, why: 'http_429' });
    expect(failureOfAnswer({ status: 502, headers }, passing)).toEqual({ kind: 'ambiguous', why: 'http_502' });
    expect(failureOfAnswer({ status: 403, headers }, passing)).toEqual({ kind: 'rejected', why: 'http_403' });
  });

  it.each([
    ['no address', blocked('dns-empty'), 'unavailable'],
    ['no name server', failed('dns-failed'), 'unavailable'],
    ['no connection', failed('connect-failed'), 'unavailable'],
    ['a certificate of somebody else', failed('tls-failed'), 'unavailable'],
    ['a proxy that does not know us', failed('proxy-unauthorized'), 'unavailable'],
    ['the end of the process', failed('client-closed'), 'unavailable'],
    ['a private address', blocked('address-private'), 'rejected'],
    ['a redirect to a private address, after a first request', blocked('redirect-address-private'), 'ambiguous'],
    ['a redirect where none may be followed', blocked('redirect-too-many'), 'ambiguous'],
    ['a reset', failed('connection-lost'), 'ambiguous'],
    ['an answer that is none', failed('response-malformed'), 'ambiguous'],
    ['a time limit', new OutboundError('ERR_OUTBOUND_TIMEOUT', 'timeout'), 'ambiguous'],
    ['a long answer', new OutboundError('ERR_OUTBOUND_TOO_LARGE', 'response-too-large'), 'ambiguous'],
  ] as const)('%s', (_, error, kind) => {
    expect(failureOfThrown(error)).toEqual({ kind, why: error.reason });
    const wrapped = new SallyportError('ERR_OUTBOUND_FAILED', 'no answer', { cause: new Error('x', { cause: error }) });
    expect(failureOfThrown(wrapped)).toEqual({ kind, why: error.reason });
  });

  it.each([new TypeError('fetch failed'), new DOMException('stop', 'AbortError'), 'text', null])(
    'what nobody knows leaves it open: %s',
    (error) => {
      expect(failureOfThrown(error).kind).toBe('ambiguous');
    },
  );
});

describe('Retry-After', () => {
  const now = Date.parse('Sun, 06 Nov 1994 08:49:37 GMT');
  it.each([
    ['0', 0],
    [' 120 ', 120_000],
    ['86400', 3_600_000],
    ['999999999999', 3_600_000],
    ['Sun, 06 Nov 1994 08:50:07 GMT', 30_000],
    ['Sunday, 06-Nov-94 08:50:07 GMT', 30_000],
    ['Sun Nov  6 08:50:07 1994 GMT', 30_000],
    ['Sun, 06 Nov 1994 08:49:07 GMT', 0],
    ['Wed, 06 Nov 2999 08:49:07 GMT', 3_600_000],
    ['', undefined],
    ['1.5', undefined],
    ['-1', undefined],
    ['1e3', undefined],
    ['soon', undefined],
    ['2026-01-01T00:00:00Z', undefined],
    [null, undefined],
  ])('%j', (header, ms) => {
    expect(retryAfterMs(header, now)).toBe(ms);
  });
});

describe('a reply to a vendor that cannot be reached was not taken', () => {
  const context = (destination: SendContext['destination']): SendContext => {
    const { signal } = new AbortController();
    return sendable({ tenant: 'acme', eventId: 'ev_1', replyId: 'ev_1', destination, sealed: {}, signal });
  };
  const fate = (replier: Replier, destination: SendContext['destination']) =>
    replier.send({ text: 'hello' }, context(destination)).then(
      ({ kind }) => kind,
      (error: SallyportError) => error.code,
    );

  it('Graph', async () => {
    const baseUrl = `http://127.0.0.1:${await freePort()}/`;
    const tokens = { get: async () => ({ kind: 'ok', value: 'token' }) as const, drop: () => {} };
    const api = createGraphApi({ baseUrl, tokens, fetch: vendorFetch(baseUrl) });
    const mail = { kind: 'mail', mailbox: MAILBOX, message: 'm1' };
    expect(await fate(createGraphReplier({ api, logger: silentLogger }), mail)).toBe('ERR_REPLY_UNAVAILABLE');
  });

  it('Gmail', async () => {
    const gmail = await startGmailServer({ clock: Date.now });
    onTestFinished(() => gmail.stop());
    const { id: messageId, threadId } = gmail.mailbox(MAILBOX).deliver();
    const gone = `http://127.0.0.1:${await freePort()}/`;
    const [here, away] = [vendorFetch(gmail.url), vendorFetch(gone)];
    // The message that is answered can be read; its answer cannot be brought.
    const fetch: typeof here = (input, init) => (init?.method === 'POST' ? away(gone, init) : here(input, init));
    const client = createGmailClient({ baseUrl: gmail.url, credentials: noCredentials, fetch, timeoutMs: 5_000 });
    const replier = createGmailReplier({ client, scrub });
    expect(await fate(replier, { mailbox: MAILBOX, messageId, threadId })).toBe('ERR_REPLY_UNAVAILABLE');
    expect(gmail.sent).toEqual([]);
  });
});
