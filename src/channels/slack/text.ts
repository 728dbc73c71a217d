import { isJsonObject } from '../../core/json/json.ts';
import type { Action, Interaction } from './receive/payload.ts';

/** What a user said by pressing or submitting: the values they chose or typed, one a line. '' when there are none. */
export function textOfInteraction(payload: Interaction): string {
  if (payload.type === 'message_action') return payload.message?.text ?? '';
  if (payload.actions) return payload.actions.flatMap(valuesOfAction).join('\n');
  if (payload.submission) return Object.values(payload.submission).filter(isText).join('\n');
  return valuesOfState(payload.view?.state).join('\n');
}

const valuesOfAction = (action: Action): string[] =>
  [action.value, action.selected_option?.value, ...(action.selected_options ?? []).map((one) => one.value)].filter(
    isText,
  );

/** `state.values` is block → action → element; only what was typed is text, choices stay in the payload. */
function valuesOfState(state: unknown): string[] {
  if (!isJsonObject(state) || !isJsonObject(state.values)) return [];
  return Object.values(state.values)
    .flatMap((block) => (isJsonObject(block) ? Object.values(block) : []))
    .map((element) => (isJsonObject(element) ? element.value : undefined))
    .filter(isText);
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
