import type * as z from 'zod';
import { type Setting, settingOf } from '../core/setting.ts';

export interface DeclaredSetting extends Setting {
  /** Its place in a configuration file. */
  readonly path: readonly string[];
  readonly schema: z.core.$ZodType;
}

/** In a path: any name of a record. */
export const EACH = '<name>';

/**
 * Every setting within a schema, in the order in which they are declared.
 * @throws Error for a value that neither is declared as a setting nor belongs to one
 */
export const declaredSettings = (schema: z.core.$ZodType): DeclaredSetting[] => walk(schema, [], false);

function walk(schema: z.core.$ZodType, path: readonly string[], isCovered: boolean): DeclaredSetting[] {
  const about = settingOf(schema);
  const children = partsOf(schema as z.core.$ZodTypes);
  if (children.length === 0 && about === undefined && !isCovered) {
    throw new Error(`${path.join('.')} is not declared as a setting`);
  }
  const own = about === undefined ? [] : [{ ...about, path, schema }];
  const below = children.flatMap(([name, child]) =>
    walk(child, name === null ? path : [...path, name], isCovered || about !== undefined),
  );
  return [...own, ...below];
}

/** What a schema is made of, with the names of parts that have one. */
function partsOf({ _zod: { def } }: z.core.$ZodTypes): [string | null, z.core.$ZodType][] {
  switch (def.type) {
    case 'object':
      return Object.entries(def.shape);
    case 'record':
      return [[EACH, def.valueType]];
    case 'default':
    case 'prefault':
    case 'optional':
      return [[null, def.innerType]];
    case 'pipe':
      return [[null, def.in]];
    default:
      return [];
  }
}
