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

/** Takes the capabilities out of a payload, in place: it is our own parse of the body and nobody else holds it. */
export function removeCapabilities(payload: JsonObject): JsonObject {
  removeFrom(payload as Record<string, JsonValue>);
  return payload;
}

function removeFrom(node: Record<string, JsonValue>): void {
  for (const name of Object.keys(node)) {
    const value = node[name];
    if (typeof value === 'string') {
      if (capabilities.has(name)) delete node[name];
      else if (value.includes('hooks.slack')) node[name] = value.replace(HOOK_URL, '[removed]');
    } else if (typeof value === 'object' && value !== null) {
      // The secret with which a workflow step opens views for whoever pressed its button.
      if (name === 'interactor' && isJsonObject(value)) Reflect.deleteProperty(value, 'secret');
      removeFrom(value as Record<string, JsonValue>);
    }
  }
}
