import { auth, gmail, type gmail_v1 } from 'googleapis/build/src/apis/gmail/index.js';
import type * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import { linkSignals } from '../../../core/linked-signal.ts';
import type { PostCall } from '../../channel.ts';
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
  readonly fetchImplementation?: typeof globalThis.fetch;
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
    /** Given a `PostCall` the call posts a reply: it is limited by that alone, and passes its fence. */
    limit: AbortSignal | PostCall,
  ): Promise<T>;
}

export function createGmailClient({ baseUrl, credentials, fetch, timeoutMs }: GmailClientDeps): GmailClient {
  const fetchImplementation = choosingItsOwnEncoding(fetch);
  const clients = new Map<string, Promise<gmail_v1.Gmail>>();

  const open = async (mailbox: string): Promise<gmail_v1.Gmail> => {
    const auth = await credentials(mailbox);
    // The library's own type of an auth client is that of its second copy of google-auth-library.
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

  const postOptions = ({ signal, fence }: PostCall): CallOptions => ({
    signal,
    retry: false,
    async fetchImplementation(input, init) {
      fence();
      return fetchImplementation(input, init);
    },
  });

  return {
    async call(mailbox, schema, request, limit) {
      const isPost = 'fence' in limit;
      const limited = isPost ? null : linkSignals([limit], { ms: timeoutMs });
      const options = isPost ? postOptions(limit) : { signal: limited?.signal ?? limit, retry: false as const };
      const data = await answerOf(clientOf(mailbox), request, options).finally(() => limited?.release());
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
  options: CallOptions,
): Promise<unknown> {
  try {
    return (await request((await client).users, options)).data;
  } catch (error) {
    throw toFailure(error);
  }
}

/** What the client library signs its calls with. */
export type AuthClient = Awaited<ReturnType<InstanceType<typeof auth.GoogleAuth>['getClient']>>;

/** The credentials for one mailbox; null for none at all (a local server). */
export type Credentials = (mailbox: string) => Promise<AuthClient | null>;

/** Reading, sending and watching: the narrowest scope that allows all three (developers.google.com/workspace/gmail/api/auth/scopes). */
const SCOPES = ['https://www.googleapis.com/auth/gmail.modify'];

export interface CredentialsOptions {
  /**
   * A key file: of a service account with domain-wide delegation, which acts as any mailbox of its domain, or of one
   * user, who is one mailbox. Absent: Google's usual places.
   */
  readonly keyFile?: string;
  readonly fetch: typeof globalThis.fetch;
}

/** Application default credentials, acting as the mailbox. */
export function createCredentials({ keyFile, fetch }: CredentialsOptions): Credentials {
  return (mailbox) => {
    const clientOptions = { subject: mailbox, transporterOptions: { fetchImplementation: fetch } };
    return new auth.GoogleAuth({
      scopes: SCOPES,
      clientOptions,
      ...defined({ keyFile }),
    }).getClient();
  };
}

/** For a local server that asks for none. */
export const noCredentials: Credentials = async () => null;
