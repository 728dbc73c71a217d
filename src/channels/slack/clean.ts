import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json.ts';

/**
 * Bearer secrets of Slack's payloads, wherever they sit: the deprecated verification token, and what lets its holder
 * act for the app or the user (a `response_url` takes 5 posts within 30 minutes). An object of such a name is somebody's
 * form field (a block called `token`) and stays.
 */
const capabilities: ReadonlySet<string> = new Set([
  'token',
  'response_url',
  'trigger_id',
  'bot_access_token',
  'interactivity_pointer',
]);

/** Apps park a `response_url` in `private_metadata`, where it is inside a string, often of JSON with escaped slashes. */
const HOOK_URL = /https:\\?\/\\?\/hooks\.slack(?:-gov)?\.com[^\s"'<>]*/gi;

/** The payload without its capabilities; what holds none of them is the same object as before. */
export const removeCapabilities = (payload: JsonObject): JsonObject => cleanObject(payload, '');

/** Built anew where something is left out: an object that a member was deleted from is slow to read for ever after. */
function cleanObject(object: JsonObject, ownName: string): JsonObject {
  const names = Object.keys(object);
  let copy: Record<string, JsonValue> | null = null;
  for (let at = 0; at < names.length; at += 1) {
    const name = names[at] as string;
    const value = object[name] as JsonValue;
    const kept = isCapability(name, value, ownName) ? undefined : clean(value, name);
    if (kept === value) {
      if (copy !== null) copy[name] = value;
      continue;
    }
    copy ??= Object.fromEntries(names.slice(0, at).map((earlier) => [earlier, object[earlier] as JsonValue]));
    if (kept !== undefined) copy[name] = kept;
  }
  return copy ?? object;
}

/** Besides those: the secret with which a workflow step opens views for whoever pressed its button. */
const isCapability = (name: string, value: JsonValue, ownName: string): boolean =>
  (typeof value === 'string' && capabilities.has(name)) || (ownName === 'interactor' && name === 'secret');

function clean(value: JsonValue, name: string): JsonValue {
  if (typeof value === 'string') return value.includes('hooks.slack') ? value.replace(HOOK_URL, '[removed]') : value;
  if (typeof value !== 'object' || value === null) return value;
  if (isJsonObject(value)) return cleanObject(value, name);
  const items = value.map((item) => clean(item, ''));
  return items.some((item, at) => item !== value[at]) ? items : value;
}
