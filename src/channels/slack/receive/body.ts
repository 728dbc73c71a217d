import { SallyportError } from '../../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../../core/json/json.ts';
import { decodeText, parseJsonText } from '../../../core/json/json-text.ts';
import type { Delivery } from '../../channel.ts';

/** A form's fields, or the JSON that is the body or sits in the form's `payload` field. */
export type SlackBody =
  | { readonly kind: 'json'; readonly value: JsonValue }
  | { readonly kind: 'form'; readonly fields: JsonObject };

const FORM = 'application/x-www-form-urlencoded';

/** The media type alone: `; charset=utf-8` and other parameters change nothing, both types are UTF-8. */
function mediaType(delivery: Delivery): string {
  const header = delivery.headers.get('content-type') ?? '';
  return (header.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/**
 * Slack's certificate check: a form with `ssl_check=1`, not signed (docs.slack.dev/interactivity/implementing-slash-commands).
 * Only the exact value counts, and whoever answers it must not look at the rest of the body.
 */
export function isSslCheck(delivery: Delivery): boolean {
  if (mediaType(delivery) !== FORM || delivery.body.length > SSL_CHECK_MAX_BYTES) return false;
  const values = new URLSearchParams(new TextDecoder().decode(delivery.body)).getAll('ssl_check');
  return values.length === 1 && values[0] === '1';
}

/** The check carries a token besides. The bound is what we parse for anybody who has proved nothing. */
const SSL_CHECK_MAX_BYTES = 4096;

/** @throws SallyportError ERR_BODY_UNPARSABLE unless it is a form or JSON by its media type and its content. */
export function readBody(delivery: Delivery): SlackBody {
  const type = mediaType(delivery);
  if (type === 'application/json') return { kind: 'json', value: parseJsonText(decodeText(delivery.body)) };
  if (type !== FORM) throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body is neither JSON nor a form');
  const form = new URLSearchParams(decodeText(delivery.body));
  const payload = form.get('payload');
  if (payload !== null) return { kind: 'json', value: parseJsonText(payload) };
  form.delete('__proto__');
  return { kind: 'form', fields: Object.fromEntries(form) };
}
