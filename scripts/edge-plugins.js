// What keeps the Worker's bundle small. Each replaces a package's module, for the edge alone, by one that does the same for
// what the edge uses; test/unit/edge-bundle.test.ts compares them.
import { readFile } from 'node:fs/promises';
import { characterEntities } from 'character-entities';

/**
 * `decodeHTMLStrict` of `entities` over a table of names in the order of their characters, which compresses to 7 KB. The
 * package's own is packed in base64, which does not compress: 20 KB.
 *
 * @type {import('esbuild').Plugin}
 */
const compactReferences = {
  name: 'compact-references',
  setup(build) {
    build.onResolve({ filter: /^entities$/ }, () => ({ path: 'entities', namespace: 'compact-references' }));
    build.onLoad({ filter: /.*/, namespace: 'compact-references' }, () => ({ contents: referencesModule() }));
  },
};

/** Groups of names with the same characters, each after the distance of its first code unit from the group before, in hex. */
export function referencesModule() {
  const groups = new Map();
  for (const [name, text] of Object.entries(characterEntities)) {
    groups.set(text, [...(groups.get(text) ?? []), name]);
  }
  let before = 0;
  const parts = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([text, names]) => {
      const distance = text.charCodeAt(0) - before;
      before = text.charCodeAt(0);
      return `${distance === 1 ? '' : distance.toString(16)}_${text.slice(1)}_${names.join(',')}`;
    });
  return `const table = ${JSON.stringify(parts.join('|'))};
let known;
function read() {
  known = new Map();
  let at = 0;
  for (const part of table.split('|')) {
    const [distance, rest, names] = part.split('_');
    at += distance === '' ? 1 : Number.parseInt(distance, 16);
    for (const name of names.split(',')) known.set(name, String.fromCharCode(at) + rest);
  }
  return known;
}
/** For one reference by name. */
export const decodeHTMLStrict = (reference) => (known ?? read()).get(reference.slice(1, -1)) ?? reference;
`;
}

/**
 * The edge validates by schemas and never describes one, but zod gives each of them the means to: 8 KB.
 *
 * @type {import('esbuild').Plugin}
 */
const withoutJsonSchema = {
  name: 'without-json-schema',
  setup(build) {
    build.onLoad({ filter: /zod\/v4\/core\/(?:to-json-schema|json-schema-processors)\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const names = [...source.matchAll(/^export (?:async )?(?:function|const|class) (\w+)/gm)].map(([, name]) => name);
      const absent = `const absent = () => () => { throw new Error('the edge makes no JSON Schema'); };`;
      return { contents: `${absent}\n${names.map((name) => `export const ${name} = absent;`).join('\n')}` };
    });
  },
};

export const edgePlugins = [compactReferences, withoutJsonSchema];
