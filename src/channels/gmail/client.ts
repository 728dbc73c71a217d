import { gmail, type gmail_v1 } from 'googleapis/build/src/apis/gmail/index.js';
import type { z } from 'zod';
import { SallyportError } from '../../core/errors.ts';
import type { Credentials } from './credentials.ts';
import { toFailure } from './failure.ts';

export interface GmailClientDeps {
  /** Where Gmail is; its path is not used. */
  readonly baseUrl: string;
  readonly credentials: Credentials;
  /** Reads at most a bounded number of bytes; the library itself would read whatever comes. */
  readonly fetch: typeof globalThis.fetch;
  /** One call's time limit in ms. */
  readonly timeoutMs: number;
}

/** What a call gets besides its own parameters. */
export interface CallOptions {
  readonly signal: AbortSignal;
  readonly retry: false;
}

export interface GmailClient {
  /**
   * One call on behalf of a mailbox, never repeated by itself: retries belong to the queue, and a message that is sent
   * twice is sent twice.
   * @throws GmailFailure, or SallyportError ERR_SOURCE_REJECTED when the answer is not what Gmail documents
   */
  call<T>(
    mailbox: string,
    schema: z.ZodType<T>,
    request: (users: gmail_v1.Resource$Users, options: CallOptions) => Promise<{ readonly data: unknown }>,
    signal: AbortSignal,
  ): Promise<T>;
}

export function createGmailClient({ baseUrl, credentials, fetch, timeoutMs }: GmailClientDeps): GmailClient {
  const clients = new Map<string, Promise<gmail_v1.Gmail>>();

  const open = async (mailbox: string): Promise<gmail_v1.Gmail> => {
    const auth = await credentials(mailbox);
    // The library's own type of an auth client is that of its second copy of google-auth-library.
    const fetchImplementation = choosingItsOwnEncoding(fetch);
    const options = { version: 'v1', rootUrl: baseUrl, fetchImplementation, ...(auth !== null && { auth }) };
    return gmail(options as gmail_v1.Options);
  };

  const clientOf = (mailbox: string): Promise<gmail_v1.Gmail> => {
    const known = clients.get(mailbox);
    if (known !== undefined) return known;
    const opened = open(mailbox);
    clients.set(mailbox, opened);
    // A key file that was missing may be there next time.
    opened.catch(() => clients.delete(mailbox));
    return opened;
  };

  return {
    async call(mailbox, schema, request, signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const data = await answerOf(clientOf(mailbox), request, limited);
      const parsed = schema.safeParse(data);
      if (parsed.success) return parsed.data;
      throw new SallyportError('ERR_SOURCE_REJECTED', 'the answer is not what Gmail documents');
    },
  };
}

/** The library asks for gzip by itself; a client that bounds what it decodes knows better what it can take. */
function choosingItsOwnEncoding(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers);
    headers.delete('accept-encoding');
    return fetch(input, { ...init, headers });
  };
}

async function answerOf(
  client: Promise<gmail_v1.Gmail>,
  request: (users: gmail_v1.Resource$Users, options: CallOptions) => Promise<{ readonly data: unknown }>,
  signal: AbortSignal,
): Promise<unknown> {
  try {
    return (await request((await client).users, { signal, retry: false })).data;
  } catch (error) {
    throw toFailure(error);
  }
}
