import { htmlToText } from '../../core/text/html.ts';

const textual = /^(?:text\/[\w.+-]{1,80}|application\/(?:[\w.-]{1,80}\+)?(?:json|xml)|application\/xhtml\+xml)$/;
const html: ReadonlySet<string> = new Set(['text/html', 'application/xhtml+xml']);

/** What a body says to a reader; null for types that are not text. Without a type nothing is guessed. */
export function pageText(contentType: string, body: Uint8Array): string | null {
  const [type = '', ...parameters] = contentType.slice(0, 500).toLowerCase().split(';');
  const name = type.trim();
  if (!textual.test(name)) return null;
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  const text = decode(body, charset?.slice('charset='.length).replaceAll('"', '').trim() ?? 'utf-8');
  return html.has(name) ? htmlToText(text) : text;
}

function decode(body: Uint8Array, charset: string): string {
  try {
    return new TextDecoder(charset).decode(body);
  } catch {
    return new TextDecoder().decode(body);
  }
}
