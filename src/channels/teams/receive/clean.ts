import { isJsonObject, type JsonObject, type JsonValue } from '../../../core/json/json.ts';

/**
 * What lets its holder act for somebody: where the bot's replies go (`serviceUrl`), single sign-on tokens
 * (`signin/tokenExchange`), and the links of file consents and attachments, which carry their own permission. Only texts:
 * an object of such a name is somebody's form field.
 */
const capabilities: ReadonlySet<string> = new Set(['serviceUrl', 'token', 'accessToken', 'downloadUrl', 'uploadUrl']);

export const isCapability = (name: string): boolean => capabilities.has(name);

/** Takes the capabilities out of an activity, in place: it is our own parse of the body and nobody else holds it. */
export function removeCapabilities(activity: JsonObject): JsonObject {
  removeFrom(activity as Record<string, JsonValue>);
  return activity;
}

function removeFrom(node: Record<string, JsonValue>): void {
  for (const name of Object.keys(node)) {
    const value = node[name];
    if (typeof value === 'string' && isCapability(name)) delete node[name];
    else if (isJsonObject(value) || Array.isArray(value)) removeFrom(value as Record<string, JsonValue>);
  }
}
