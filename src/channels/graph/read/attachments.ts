import * as z from 'zod';
import { fromBase64 } from '../../../core/crypto/encoding.ts';
import { defined } from '../../../core/defined.ts';
import type { Attachment } from '../../../core/event.ts';
import { ask, type GraphApi } from '../api/graph-api.ts';

/** Longer texts are not read. */
const MAX_TEXT_BYTES = 64 * 1024;
/** Attachments of one mail that are read. */
const MAX_READ = 5;

const text = z.string().nullish();

const listSchema = z.looseObject({
  value: z.array(
    z.looseObject({
      id: text,
      name: text,
      contentType: text,
      size: z.number().nullish(),
      isInline: z.boolean().nullish(),
    }),
  ),
});
const fileSchema = z.looseObject({ contentBytes: z.string() });

/** Without access to a mail's attachments, or without the mail, there are none. */
const NONE = [403, 404, 410];

/**
 * What came with a mail; of short texts what they say, from Graph itself. Pictures within the text are left out.
 * @param path of the mail
 * @throws SallyportError ERR_SOURCE_*
 */
export async function readAttachments(api: GraphApi, path: string, signal: AbortSignal): Promise<Attachment[]> {
  const at = `${path}/attachments`;
  const query = { $select: 'id,name,contentType,size,isInline' };
  const { body } = await ask(api, { method: 'GET', path: at, query, signal }, NONE);
  const attachments: Attachment[] = [];
  for (const { id, name, contentType, size, isInline } of listSchema.safeParse(body).data?.value ?? []) {
    if (isInline) continue;
    const isText = contentType?.startsWith('text/') === true && (size ?? 0) <= MAX_TEXT_BYTES;
    const isRead = isText && id && attachments.length < MAX_READ;
    const said = isRead ? await readText(api, `${at}/${encodeURIComponent(id)}`, signal) : undefined;
    const type = contentType || 'application/octet-stream';
    attachments.push({ name: name || 'attachment', type, ...defined({ size: size ?? undefined, text: said }) });
  }
  return attachments;
}

/** Undefined for what is no text, or no file (an attached mail or event). */
async function readText(api: GraphApi, path: string, signal: AbortSignal): Promise<string | undefined> {
  const { body } = await ask(api, { method: 'GET', path, signal }, NONE);
  const bytes = fromBase64(fileSchema.safeParse(body).data?.contentBytes ?? '');
  if (bytes === null || bytes.length === 0 || bytes.length > MAX_TEXT_BYTES || bytes.includes(0)) return undefined;
  return new TextDecoder().decode(bytes);
}
