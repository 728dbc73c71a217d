import { SallyportError } from '../../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../../core/json/json.ts';
import { decodeText, parseJsonText } from '../../../core/json/json-text.ts';
import { type Candidate, hasSafeIds } from './candidate.ts';
import { type Activity, activitySchema, envelopeSchema } from './payload.ts';
import type { TeamsReason } from './relevance.ts';

/** @throws SallyportError ERR_BODY_UNPARSABLE unless the bytes are a JSON object */
export function parseBody(body: Uint8Array): JsonObject {
  const value = parseJsonText(decodeText(body));
  if (isJsonObject(value)) return value;
  throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body is not an activity');
}

/**
 * An activity without a type or a conversation is no activity at all.
 * @throws SallyportError ERR_BODY_UNPARSABLE
 */
export function checkEnvelope(payload: JsonObject): void {
  if (envelopeSchema.safeParse(payload).success) return;
  throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body is not an activity');
}

/** Reads a verified body: what it is and whether it could matter. Claims nothing. */
export function parse(
  payload: JsonObject,
  read: (activity: Activity) => Candidate | TeamsReason,
): Candidate | TeamsReason {
  const activity = activitySchema.safeParse(payload).data;
  if (activity === undefined) return 'unprocessable';
  const candidate = read(activity);
  if (typeof candidate === 'string') return candidate;
  return hasSafeIds(candidate) ? candidate : 'bad_routing_id';
}
