import { auth } from 'googleapis/build/src/apis/gmail/index.js';

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
      ...(keyFile !== undefined && { keyFile }),
    }).getClient();
  };
}

/** For a local server that asks for none. */
export const noCredentials: Credentials = async () => null;
