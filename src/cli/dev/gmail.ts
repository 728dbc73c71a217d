import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../../config/environment.ts';
import { startGmailServer } from '../../testing/gmail/server.ts';

/** What `dev` and `send` agree on in place of a push subscription and a mailbox of Google's. */
export const devGmail = {
  GMAIL_PUSH_AUDIENCE: 'https://sallyport.example/hooks/gmail',
  GMAIL_PUSH_SERVICE_ACCOUNT: 'push@sallyport.iam.gserviceaccount.com',
  GMAIL_PUSH_SUBSCRIPTION: 'projects/sallyport/subscriptions/gmail',
  GMAIL_MAILBOXES: 'sallyport@example.com',
} as const;

interface Place {
  readonly environment: Environment;
  readonly folder: string;
}

/** Where the running `dev` left the address of its local Gmail. */
const pathOf = ({ environment, folder }: Place): string =>
  join(resolve(folder, environment.SALLYPORT_DATA_DIR || '.sallyport'), 'gmail.json');

const shape = z.object({ url: z.url() });

/** The local Gmail of the `dev` that was started last here, or null. Whether it still runs shows when it is asked. */
export async function readDevGmail(place: Place): Promise<string | null> {
  const text = await readFile(pathOf(place), 'utf8').catch(() => 'null');
  return shape.safeParse(JSON.parse(text)).data?.url ?? null;
}

export interface RunningGmail {
  /** Settings by variable name. */
  readonly settings: Environment;
  close(): Promise<void>;
}

/** A Gmail on this machine that `send gmail` puts mail into and the gate reads it from. It forgets when it ends. */
export async function startDevGmail(place: Place, jwksUrl: string): Promise<RunningGmail> {
  const server = await startGmailServer({ clock: Date.now });
  const path = pathOf(place);
  await mkdir(resolve(path, '..'), { recursive: true, mode: 0o700 });
  await writeFile(path, `${JSON.stringify({ url: server.url })}\n`, { mode: 0o600 });
  return {
    settings: { ...devGmail, GOOGLE_JWKS_URL: jwksUrl, GMAIL_BASE_URL: server.url },
    close: () => server.close(),
  };
}
