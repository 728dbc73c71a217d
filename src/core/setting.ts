import type * as z from 'zod';

/** What a setting is called and what it is for. It is declared with the schema that checks the setting's value. */
export interface Setting {
  /** The environment variable. Of a tenant's setting, it sets that of the tenant `default`. */
  readonly env?: string;
  /** For the reference (docs/configuration.md): one line of Markdown. */
  readonly description: string;
  /** The default as the reference shows it, where the schema's own does not say it. */
  readonly default?: string;
  /** A credential. The variable's name with `_FILE` then names a file that holds the value. */
  readonly secret?: true;
  /** An empty variable is a problem instead of counting as absent: an empty HMAC key is one that everybody knows. */
  readonly emptyIsWrong?: true;
  /** The variable that switches on what this one only refines: alone, this one sets nothing. */
  readonly refines?: string;
}

const declared = new WeakMap<z.core.$ZodType, Setting>();

/**
 * Declares a setting. Wrap the whole schema of the value, its default included: what is derived from the result later
 * (`.optional()`, `.refine()`) is another schema, and not declared.
 */
export function setting<T extends z.ZodType>(schema: T, about: Setting): T {
  const own = schema.clone() as T;
  declared.set(own, about);
  return own;
}

/** What a schema was declared as. */
export const settingOf = (schema: z.core.$ZodType): Setting | undefined => declared.get(schema);
