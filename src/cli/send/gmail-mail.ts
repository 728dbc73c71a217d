import { z } from 'zod';
import { EXIT, Exit } from '../io.ts';

const imported = z.object({ threadId: z.string() });
const profile = z.object({ historyId: z.string() });

/** Mail that was put into a local mailbox. */
export interface Deposited {
  readonly threadId: string;
  /** The mailbox's history id afterwards: what Gmail would publish. */
  readonly historyId: string;
}

/** Puts a mail into the local Gmail of `dev`, as if somebody had written it. @throws Exit 1 when nothing answers there */
export async function depositMail(url: string, mailbox: string, text: string): Promise<Deposited> {
  const headers = ['From: Developer <developer@example.org>', `To: ${mailbox}`, 'Content-Transfer-Encoding: base64'];
  const mail = [...headers, '', Buffer.from(text).toString('base64')].join('\r\n');
  const users = new URL(`/gmail/v1/users/${encodeURIComponent(mailbox)}/`, url);
  const raw = Buffer.from(mail).toString('base64url');
  const { threadId } = await call(new URL('messages/import', users), imported, { raw });
  const { historyId } = await call(new URL('profile', users), profile);
  return { threadId, historyId };
}

async function call<T>(url: URL, schema: z.ZodType<T>, body?: object): Promise<T> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(url, init).catch(() => {
    throw new Exit(EXIT.failed, 'the local Gmail of `sallyport dev` does not answer: is it running?');
  });
  return schema.parse(await response.json());
}
