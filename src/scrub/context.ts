import { kindOfName } from './assignment/names.ts';

/** Keys under which the value's name stands beside the value, as in `{ "name": "DB_PASSWORD", "value": "…" }`. */
export const NAME_KEY = /^(?:name|key|header|k)$/i;
export const VALUE_KEY = /^(?:value|val|v)$/i;

/** The parts of a Kubernetes Secret under which every value is one. */
export const isManifestData = (key: string): boolean => key === 'data' || key === 'stringData';

/** In a list the element before may name the next: `["--password", "…"]`, `["Authorization", "…"]`. */
export function isTelling(element: string): boolean {
  if (element.length > 64 || /\s/.test(element)) return false;
  const kind = kindOfName(element);
  return kind === 'password' || kind === 'secret';
}
