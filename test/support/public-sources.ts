import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** Every source file with this ending, wherever it stands, as text. */
function sources(ending: '.ts' | '.lua'): readonly { readonly path: string; readonly text: string }[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.endsWith('.d.ts'))
    .toSorted()
    .map((name) => join(root, 'src', name))
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

/** The value that a module of the product exports under a name, wherever that module stands. */
export async function exported<T>(name: string): Promise<T> {
  const declaration = new RegExp(`^export (?:const|(?:async )?function|class) ${name}\\b`, 'm');
  const found = sources('.ts').filter(({ text }) => declaration.test(text));
  const [file] = found;
  if (file === undefined || found.length > 1) throw new Error(`${found.length} modules export ${name}, not one`);
  const module: Record<string, T> = await import(/* @vite-ignore */ file.path);
  return module[name] as T;
}

/** Names that a module exports, and with `type` before them those that exist for the compiler alone. */
export function declaredExports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  return [...text.matchAll(/export (type )?\{([^}]*)\}/g)].flatMap(([, type = '', list = '']) =>
    list
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => `${type}${name}`),
  );
}

/** What a logger's methods are called with last, as a name: `*` stands for what is only known when it runs. */
export function logEvents(): string[] {
  const levels = new Map<string, Set<string>>();
  const add = (level: string, name: string) => levels.set(name, (levels.get(name) ?? new Set()).add(level));
  for (const { text } of sources('.ts')) {
    for (const { 1: level = '', index } of text.matchAll(/\b(?:logger|log)\.(debug|info|warn|error)\(/g)) {
      const last = lastArgument(text, text.indexOf('(', index));
      if (/^['`]/.test(last)) add(level, last.slice(1, -1).replace(/\$\{[^}]*\}/g, '*'));
      // A name that was passed on: it is among the literals of that file.
      else if (/^\w+$/.test(last))
        for (const [, name = ''] of text.matchAll(/'([a-z-]+\.[a-z_-]+)'/g)) add(level, name);
      else throw new Error(`a log event's name cannot be read from: ${last}`);
    }
  }
  return [...levels].map(([name, used]) => `${name} ${[...used].toSorted().join(',')}`);
}

/** The last argument of the call whose parenthesis opens at a place. */
function lastArgument(text: string, open: number): string {
  let depth = 0;
  let from = open + 1;
  let last = '';
  const take = (until: number) => {
    const argument = text.slice(from, until).trim();
    if (argument !== '') last = argument;
    from = until + 1;
  };
  for (let at = open; at < text.length; at += 1) {
    const char = text[at] ?? '';
    if (char === "'" || char === '`') {
      at = text.indexOf(char, at + 1);
    } else if ('([{'.includes(char)) {
      depth += 1;
    } else if (')]}'.includes(char)) {
      depth -= 1;
      if (depth === 0) {
        take(at);
        return last;
      }
    } else if (char === ',' && depth === 1) {
      take(at);
    }
  }
  throw new Error('a call does not end');
}

/** Keys of Redis as the scripts and the driver form them below a tag; `*` stands for what is only known when they run. */
export function redisKeys(): string[] {
  const found = new Set<string>();
  const operand = String.raw`(?:'[^']*'|[\w.]+(?:\[[^\]]*\])?(?:\([^()]*\))?)`;
  const chain = new RegExp(String.raw`\btag((?: \.\. ${operand})+)`, 'g');
  for (const { text } of sources('.lua')) {
    const code = text.replace(/--.*/g, '');
    for (const [, operands = ''] of code.matchAll(chain)) {
      const parts = operands.split(' .. ').slice(1);
      found.add(`<tag>${parts.map((part) => (part.startsWith("'") ? part.slice(1, -1) : '*')).join('')}`);
    }
    // string.format, whose first place is the tag.
    for (const [, format = ''] of code.matchAll(/format\('%s(:[^']*)', tag\b/g)) {
      found.add(`<tag>${format.replace(/%[\d.]*\w/g, '*')}`);
    }
  }
  for (const { text } of sources('.ts')) {
    for (const [, rest = ''] of text.matchAll(/`\$\{(?:keys\.tagOf\([^)]*\)|tag)\}(:(?:[^`$]|\$\{[^}]*\})+)`/g)) {
      found.add(`<tag>${rest.replace(/\$\{[^}]*\}/g, '*')}`);
    }
    for (const [, inner = ''] of text.matchAll(/`\{\$\{prefix\}:((?:[^`$}]|\$\{[^}]*\})+)\}`/g)) {
      found.add(`{<prefix>:${inner.replace(/\$\{[^}]*\}/g, '*')}}`);
    }
  }
  return [...new Set([...found].map((key) => key.replace(/:$/, ':*')))];
}

/**
 * Names of the journal's steps: constants called so, and templates that a step or a function of steps is made from. `*`
 * stands for what is only known when they run.
 */
export function journalSteps(): string[] {
  const found = new Set<string>();
  const constant = /\b[A-Z]+_STEP = '([^']*)'/g;
  const formed =
    /\b(?:step|id|\w+Step)\b(?: = | = \([^;]{1,200}? => ?|: (?:[^,;`]{1,40} \? \w+ : )?)\s*`([a-z$][^`]*:[^`]*)`/g;
  for (const { text } of sources('.ts')) {
    for (const [, name = ''] of text.matchAll(constant)) found.add(name);
    for (const [, template = ''] of text.matchAll(formed)) found.add(template.replace(/\$\{[^}]*\}/g, '*'));
  }
  return [...found];
}
