import type * as z from 'zod';

/**
 * The settings that a schema takes, one a line: place, what stands there when it is absent (`?` nothing, `!` it is
 * required), and the environment's names for it. `*` is any name of a record, `[]` any place of a list.
 */
export function settingsOf(schema: z.core.$ZodType, names: Readonly<Record<string, readonly string[]>>): string[] {
  const byPlace = new Map<string, string[]>();
  for (const [name, path] of Object.entries(names)) {
    const place = path.join('.').replace(/^tenants\.default\b/, 'tenants.*');
    byPlace.set(place, [...(byPlace.get(place) ?? []), name].toSorted());
  }
  const known = new Set<string>();
  const lines: string[] = [];
  for (const { place, absent } of walk(schema, '', '!')) {
    known.add(place);
    lines.push([place, absent, ...(byPlace.get(place) ?? [])].join(' '));
  }
  for (const [place, variables] of byPlace) if (!known.has(place)) lines.push(`${place} ? ${variables.join(' ')}`);
  return [...new Set(lines)];
}

interface Place {
  readonly place: string;
  readonly absent: string;
}

const word = (value: unknown): string => JSON.stringify(value) ?? 'undefined';

function walk(schema: z.core.$ZodType, place: string, absent: string): Place[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
      return walk(def.innerType, place, absent === '!' ? '?' : absent);
    case 'default':
    case 'prefault':
      return walk(def.innerType, place, word(def.defaultValue));
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return walk(def.innerType, place, absent);
    case 'pipe':
      return walk((def.in as z.core.$ZodTypes)._zod.def.type === 'transform' ? def.out : def.in, place, absent);
    case 'lazy':
      return walk(def.getter(), place, absent);
    case 'object': {
      const below = Object.entries(def.shape).flatMap(([name, child]) =>
        walk(child, place === '' ? name : `${place}.${name}`, '!'),
      );
      return place === '' ? below : [{ place, absent }, ...below];
    }
    case 'record':
      return [{ place, absent }, ...walk(def.valueType, `${place}.*`, '?')];
    case 'array':
      return [{ place, absent }, ...walk(def.element, `${place}[]`, '?')];
    case 'union':
      return [{ place, absent }, ...def.options.flatMap((option) => walk(option, place, absent))];
    case 'intersection':
      return [def.left, def.right].flatMap((side) => walk(side, place, absent));
    default:
      return [{ place, absent }];
  }
}
