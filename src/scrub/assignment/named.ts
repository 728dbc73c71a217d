import { isManifestValue } from '../rules/kubernetes.ts';
import type { Hit } from '../rules/rule.ts';
import { RULE_OF } from './assignments.ts';
import { kindOfName } from './names.ts';
import { afterScheme } from './value.ts';
import { isSecretValue } from './verdict.ts';

/** The string that stands under a telling key of a tree: the whole of it, after the scheme of a header. */
export function named(text: string, name: string, isLoose: boolean): Hit | null {
  if (name === MANIFEST_SECRET) return inManifest(text);
  const kind = kindOfName(name);
  if (kind === null) return null;
  const start = kind === 'password' ? 0 : afterScheme(text, 0);
  const secret = text.slice(start).trimEnd();
  if (!isSecretValue(secret, kind, { isQuoted: true, isLoose })) return null;
  return { rule: RULE_OF[kind], start, end: start + secret.length, secret, rank: 1 };
}

/** Stands for the names under `data` of a Kubernetes Secret: whatever they are called, the values are secret. */
export const MANIFEST_SECRET = 'kubernetes-secret';

const inManifest = (text: string): Hit | null =>
  isManifestValue(text) ? { rule: MANIFEST_SECRET, start: 0, end: text.length, secret: text, rank: 1 } : null;
