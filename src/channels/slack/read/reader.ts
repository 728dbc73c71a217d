import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import type { Attachment, InboundEvent } from '../../../core/event.ts';
import type { Logger } from '../../../core/logger.ts';
import { parseUrl } from '../../../core/text/url.ts';
import type { Reader } from '../../channel.ts';
import { createInstallationTable, type SlackInstallation } from '../installation.ts';
import { destinationSchema } from '../reply/find-reply.ts';
import { SLACK_API_URL } from '../settings.ts';

export interface SlackReaderDeps {
  /** `SLACK_API_URL`; when it names another server, that server's own files are read as well. */
  readonly apiUrl: string;
  readonly botToken?: string;
  /** Of all tenants; absent as in `SlackChannelDeps`. */
  readonly installations?: readonly SlackInstallation[];
  /** May reach `apiUrl` and `FILES_URLS`, and reads `MAX_FILE_BYTES` of an answer. */
  readonly fetch: typeof globalThis.fetch;
  readonly logger: Logger;
}

/** Where Slack keeps what people upload, GovSlack's included. The token is sent nowhere else. */
export const FILES_URLS = ['https://files.slack.com/', 'https://files.slack-gov.com/'];

/** Longer texts are not read. */
export const MAX_FILE_BYTES = 64 * 1024;

/** Files of one message that are read. */
const MAX_FILES = 5;

const text = z.string().nullish();

const fileSchema = z.looseObject({
  name: text,
  title: text,
  mimetype: text,
  size: z.number().nullish(),
  url_private: text,
});
type SlackFile = z.infer<typeof fileSchema>;

const profile = z.looseObject({ display_name: text, real_name: text, name: text }).nullish().catch(null);

/** Where Slack's payloads name their author and what came with a message: events, interactions and commands. */
const payloadSchema = z.looseObject({
  event: z
    .looseObject({ user_profile: profile, files: z.array(fileSchema.catch({})).nullish().catch(null) })
    .nullish()
    .catch(null),
  user: z.looseObject({ name: text, username: text }).nullish().catch(null),
  user_name: text.catch(null),
});

/** Reads who wrote a message, by name, and what came with it. A file that cannot be read is told of without its content. */
export function createSlackReader(deps: SlackReaderDeps): Reader {
  const tokenOf = createTokens(deps);
  const isOurs = filesOf(deps.apiUrl);
  const readText = async (file: SlackFile, event: InboundEvent, signal: AbortSignal): Promise<string | undefined> => {
    const { mimetype, size, url_private: url } = file;
    if (!mimetype?.startsWith('text/') || !url || (size ?? 0) > MAX_FILE_BYTES || !isOurs(url)) return undefined;
    const token = tokenOf(event);
    if (token === undefined) return undefined;
    const read = await fetchText(url, { token, mimetype, signal }, deps.fetch);
    signal.throwIfAborted();
    if (typeof read === 'string') return read;
    deps.logger.warn({ eventId: event.id, channel: 'slack', why: read.why }, 'attachment.unread');
    return undefined;
  };
  return {
    async read(event, { signal }) {
      const payload = payloadSchema.safeParse(event.payload).data;
      const authorName = nameOf(payload);
      const files = payload?.event?.files ?? [];
      const attachments: Attachment[] = [];
      for (const [at, file] of files.entries()) {
        const said = at < MAX_FILES ? await readText(file, event, signal) : undefined;
        const name = file.name || file.title || 'file';
        const type = file.mimetype || 'application/octet-stream';
        attachments.push({ name, type, ...defined({ size: file.size ?? undefined, text: said }) });
      }
      const found = attachments.length > 0 ? { attachments } : {};
      return { kind: 'task', content: { ...defined({ authorName }), ...found } };
    },
  };
}

function nameOf(payload: z.infer<typeof payloadSchema> | undefined): string | undefined {
  const { display_name: shown, real_name: real, name: account } = payload?.event?.user_profile ?? {};
  return shown || real || account || payload?.user?.name || payload?.user?.username || payload?.user_name || undefined;
}

/** The token of the installation an event is from; undefined when there is none. */
function createTokens({ botToken, installations }: SlackReaderDeps): (event: InboundEvent) => string | undefined {
  const find = installations && createInstallationTable(installations);
  return ({ tenant, destination }) => {
    const { app, workspace } = destinationSchema.safeParse(destination).data ?? {};
    const entry = find?.({ appId: app, installedIn: workspace });
    return find !== undefined && entry?.tenant !== tenant ? undefined : (entry?.botToken ?? botToken);
  };
}

/** Whether a URL leads to the vendor's own files, or to those of the local server that stands in for it. */
function filesOf(apiUrl: string): (url: string) => boolean {
  const origins = new Set(FILES_URLS.map((url) => new URL(url).origin));
  if (apiUrl !== SLACK_API_URL) origins.add(new URL(apiUrl).origin);
  return (url) => {
    const parsed = parseUrl(url);
    return parsed !== null && parsed.username === '' && parsed.password === '' && origins.has(parsed.origin);
  };
}

/** A file's text, or why there is none. */
async function fetchText(
  url: string,
  { token, mimetype, signal }: { readonly token: string; readonly mimetype: string; readonly signal: AbortSignal },
  fetch: typeof globalThis.fetch,
): Promise<string | { readonly why: string }> {
  try {
    // A redirect is not followed: the token is for this host.
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` }, redirect: 'manual', signal });
    if (!response.ok) return { why: `status ${response.status}` };
    // Without the scope files:read Slack answers with its page for signing in.
    const isPage = response.headers.get('content-type')?.startsWith('text/html') && mimetype !== 'text/html';
    if (isPage) return { why: 'a page instead of the file; the app needs the scope files:read' };
    const said = await response.text();
    return said.includes('\0') ? { why: 'not text' } : said;
  } catch {
    return { why: 'it could not be fetched' };
  }
}
