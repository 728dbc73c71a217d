import { randomBytes } from 'node:crypto';

/** A message in a local mailbox. */
export interface StoredMail {
  readonly id: string;
  readonly threadId: string;
  readonly labelIds: string[];
  /** Epoch ms at which the mailbox got it. */
  readonly at: number;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly parts: readonly MailContent[];
}

/** One body. `data` may be bytes in any charset; text is UTF-8. */
export interface MailContent {
  readonly mimeType: string;
  readonly data: string | Uint8Array;
  readonly filename?: string;
  readonly headers?: readonly { readonly name: string; readonly value: string }[];
}

export interface MailOptions {
  readonly from?: string;
  readonly subject?: string;
  readonly text?: string;
  /** In place of `text`. */
  readonly parts?: readonly MailContent[];
  readonly labels?: readonly string[];
  /** Beside From, To, Subject, Date and Message-ID; the same name replaces one of them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** An earlier message's thread; a new one when absent. */
  readonly threadId?: string;
  /** Epoch ms; now when absent. */
  readonly at?: number;
}

type RecordKind = 'messagesAdded' | 'messagesDeleted' | 'labelsAdded';

interface HistoryRecord {
  readonly id: bigint;
  readonly at: number;
  readonly kind: RecordKind;
  readonly mail: StoredMail;
}

/** A mailbox as Gmail's API shows it: messages, and a history of what changed. */
export interface LocalMailbox {
  readonly address: string;
  deliver(options?: MailOptions): StoredMail;
  /** Changes a label, as opening a message does. */
  touch(id: string): void;
  remove(id: string): void;
  /** Moves the history id without a record, as Gmail's ids have gaps. */
  skip(by: number): void;
  readonly historyId: () => bigint;
  readonly messages: () => readonly StoredMail[];
  readonly find: (id: string) => StoredMail | undefined;
  /** Records after `start` that the index shows by now; null when `start` is older than what is kept. */
  readonly after: (start: bigint) => readonly HistoryRecord[] | null;
}

/** Above 2^53, so that whoever reads an id as a number gets another one. */
const FIRST_ID = 9_007_199_254_740_993n;

/** The most by which one change moves the history id: real ids rise in jumps. */
const MAX_JUMP = 40;

export function createLocalMailbox(options: {
  readonly address: string;
  readonly clock: () => number;
  /** In [0, 1); decides how far the history id jumps with each change. */
  readonly random: () => number;
  /** Milliseconds until a change shows in the history. */
  readonly lagMs: () => number;
  /** Milliseconds for which history is kept. */
  readonly historyMs: () => number;
  readonly onChange: (mailbox: LocalMailbox) => void;
}): LocalMailbox {
  const { address, clock, random, lagMs, historyMs } = options;
  const mails = new Map<string, StoredMail>();
  const records: (HistoryRecord & { readonly visibleAt: number })[] = [];
  let historyId = FIRST_ID;
  /** What happened up to here is not known any more. */
  let forgotten = FIRST_ID;

  const record = (kind: RecordKind, mail: StoredMail): void => {
    historyId += BigInt(1 + Math.floor(random() * MAX_JUMP));
    const at = clock();
    records.push({ id: historyId, at, kind, mail, visibleAt: at + lagMs() });
    options.onChange(mailbox);
  };
  const forget = (): void => {
    while (records[0] !== undefined && clock() - records[0].at > historyMs())
      forgotten = records.shift()?.id ?? forgotten;
  };
  const mailbox: LocalMailbox = {
    address,
    deliver(mail = {}) {
      const stored = storedMail(address, mail, clock());
      mails.set(stored.id, stored);
      record('messagesAdded', stored);
      return stored;
    },
    touch(id) {
      const mail = mails.get(id);
      if (mail !== undefined) record('labelsAdded', mail);
    },
    remove(id) {
      const mail = mails.get(id);
      if (mail === undefined || !mails.delete(id)) return;
      record('messagesDeleted', mail);
    },
    skip: (by) => {
      historyId += BigInt(by);
    },
    historyId: () => historyId,
    messages: () => [...mails.values()],
    find: (id) => mails.get(id),
    after(start) {
      forget();
      if (start < forgotten || start > historyId) return null;
      return records.filter(({ id, visibleAt }) => id > start && visibleAt <= clock());
    },
  };
  return mailbox;
}

/** Gmail's ids: 64 bits in hexadecimal. */
const newId = (): string => randomBytes(8).toString('hex');

function storedMail(address: string, options: MailOptions, now: number): StoredMail {
  const { from = 'Ada <ada@example.org>', subject = 'Hello', text = 'hello', labels = ['INBOX', 'UNREAD'] } = options;
  const id = newId();
  const at = options.at ?? now;
  const headers: Record<string, string> = {
    From: from,
    To: address,
    Subject: subject,
    Date: new Date(at).toUTCString(),
    'Message-ID': `<${id}@mail.example.org>`,
    ...options.headers,
  };
  return {
    id,
    threadId: options.threadId ?? newId(),
    labelIds: [...labels],
    at,
    headers: Object.entries(headers).map(([name, value]) => ({ name, value })),
    parts: options.parts ?? [{ mimeType: 'text/plain', data: text }],
  };
}
