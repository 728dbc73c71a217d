import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { type Module, parseSync } from '@swc/core';

/** A syntax tree as plain objects: what is asked of it is the same for every kind of node. */
export interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface SourceFile {
  /** From the root of the checkout, with `/`. */
  readonly path: string;
  readonly lines: number;
  /** Absent for what is not TypeScript. */
  readonly tree?: Module;
  /** Files of `src` that it imports, also only types, also later on. */
  readonly imports: ReadonlySet<string>;
}

/** Every file of `src`, parsed where it is TypeScript, by path. */
export function readSource(root: string): ReadonlyMap<string, SourceFile> {
  const paths = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
  return new Map(paths.sort().map((path) => [path, readOne(root, path)]));
}

function readOne(root: string, path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const lines = text.split('\n').length - 1;
  if (!path.endsWith('.ts')) return { path, lines, imports: new Set() };
  const tree = parseSync(text, { syntax: 'typescript', target: 'es2022' });
  const imports = new Set<string>();
  visit(tree, (node) => {
    const specifier = specifierOf(node);
    if (specifier?.startsWith('.')) imports.add(join(dirname(path), specifier));
  });
  return { path, lines, tree, imports };
}

/** What a node imports from: `import`, `export … from`, `import(…)` and the type `import('…')`. */
function specifierOf(node: Node): string | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return textOf(node.source);
    case 'TsImportType':
      return textOf(node.argument);
    case 'CallExpression':
      if ((node.callee as Node).type !== 'Import') return undefined;
      return textOf((node.arguments as readonly { expression: unknown }[])[0]?.expression);
    default:
      return undefined;
  }
}

const textOf = (literal: unknown): string | undefined => (literal as { value?: string } | null | undefined)?.value;

/** Calls `look` for a node and all in it. */
export function visit(value: unknown, look: (node: Node) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if (typeof (value as { type?: unknown }).type === 'string') look(value as Node);
  for (const child of Object.values(value)) visit(child, look);
}
