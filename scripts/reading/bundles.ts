import { dirname, join } from 'node:path';
import { type Node, type SourceFile, visit } from './source.ts';

/** A type that is declared in a file of `src`, or imported into it. */
type Declared =
  | { readonly file: string; readonly declaration: Node }
  | { readonly from: string; readonly name: string };

interface Types {
  /** The declaration that a name means in a file; the package it comes from; undefined for what is global. */
  find(file: string, name: string): { file: string; declaration: Node } | { package: string } | undefined;
  readonly all: readonly { file: string; name: string; declaration: Node }[];
}

/** What a member provides: something to call, something with members to call, or data. */
type Gives = 'function' | 'object' | 'data';

/** Wrappers that give what their last parameter gives. */
const TRANSPARENT = new Set(['Readonly', 'Partial', 'Required', 'Pick', 'Omit', 'NonNullable', 'ReadonlyArray', 'Map']);
for (const name of ['Array', 'ReadonlyMap', 'Record', 'Promise']) TRANSPARENT.add(name);

/**
 * Interfaces and object types of `src`, as `file name`, that only bundle collaborators, whatever they are called:
 * - two members or more, and most of them, inherited ones included, are functions or objects with functions in them;
 * - a function takes it as a parameter, or another type is made from it with `extends`, `Pick` or `Omit`;
 * - it is not a port: a port is returned by a function or exported as a constant, and at most one of its members is an
 *   object with functions.
 */
export function bundlesIn(files: ReadonlyMap<string, SourceFile>): string[] {
  const types = indexTypes(files);
  const { taken, returned } = usesOf(files, types);
  return types.all
    .filter(({ file, declaration }) => {
      const gives = membersOf(types, file, declaration, new Set());
      const objects = gives.filter((one) => one === 'object').length;
      const collaborators = gives.filter((one) => one !== 'data').length;
      if (collaborators < 2 || collaborators * 2 <= gives.length || !taken.has(declaration)) return false;
      return !returned.has(declaration) || objects > 1;
    })
    .map(({ file, name }) => `${file} ${name}`)
    .sort();
}

const DECLARATIONS = new Set(['TsInterfaceDeclaration', 'TsTypeAliasDeclaration', 'ClassDeclaration']);

function indexTypes(files: ReadonlyMap<string, SourceFile>): Types {
  const names = new Map<string, Declared>();
  const all: { file: string; name: string; declaration: Node }[] = [];
  for (const { path: file, tree } of files.values()) {
    visit(tree, (node) => {
      if (DECLARATIONS.has(node.type)) {
        const name = nameOf(node.id ?? node.identifier);
        names.set(`${file} ${name}`, { file, declaration: node });
        all.push({ file, name, declaration: node });
      }
      if (node.type !== 'ImportDeclaration' && node.type !== 'ExportNamedDeclaration') return;
      const source = (node.source as { value: string } | null)?.value;
      if (source === undefined) return;
      const from = source.startsWith('.') ? join(dirname(file), source) : source;
      for (const specifier of node.specifiers as readonly Node[]) {
        const local = nameOf(specifier.local ?? specifier.exported ?? specifier.orig);
        names.set(`${file} ${local}`, { from, name: nameOf(specifier.imported ?? specifier.orig ?? specifier.local) });
      }
    });
  }
  return {
    all,
    find(file, name) {
      let found = names.get(`${file} ${name}`);
      while (found !== undefined && 'from' in found) {
        if (!files.has(found.from)) return { package: found.from };
        found = names.get(`${found.from} ${found.name}`);
      }
      return found;
    },
  };
}

/** Declarations that functions take or types are made from, and those that functions return. */
function usesOf(files: ReadonlyMap<string, SourceFile>, types: Types) {
  const taken = new Set<Node>();
  const returned = new Set<Node>();
  for (const { path: file, tree } of files.values()) {
    const mark = (marked: Set<Node>, type: unknown): void => {
      for (const name of namesIn(type)) {
        const found = types.find(file, name);
        if (found !== undefined && 'declaration' in found) marked.add(found.declaration);
      }
    };
    visit(tree, (node) => {
      if (node.type === 'TsInterfaceDeclaration') mark(taken, node.extends);
      if (node.type === 'TsTypeReference' && ['Pick', 'Omit'].includes(nameOf(node.typeName))) mark(taken, node);
      if (node.type === 'ExportDeclaration') {
        const { declarations = [] } = node.declaration as { declarations?: readonly Node[] };
        for (const { id } of declarations) mark(returned, (id as Node).typeAnnotation);
      }
      const { params, body, returnType } = node;
      // Signatures have no body: a port's method that takes something is not who needs it.
      if (!Array.isArray(params) || body === undefined || body === null) return;
      for (const param of params as readonly Node[]) mark(taken, annotationOf(param));
      mark(returned, returnType);
    });
  }
  return { taken, returned };
}

/** The annotation of `x: T`, `{ x }: T`, `x: T = …` and `private readonly x: T`. */
function annotationOf(param: Node): unknown {
  const inner = param.pat ?? param.param ?? param.left;
  return inner === undefined ? param.typeAnnotation : annotationOf(inner as Node);
}

/** Names of types that stand in this place themselves, also in `Promise<T>`, `T | null` or `T & U`. */
function namesIn(type: unknown): string[] {
  if (Array.isArray(type)) return type.flatMap(namesIn);
  const node = type as Node | null | undefined;
  switch (node?.type) {
    case 'TsTypeAnnotation':
    case 'TsParenthesizedType':
    case 'TsTypeOperator':
      return namesIn(node.typeAnnotation);
    case 'TsUnionType':
    case 'TsIntersectionType':
      return namesIn(node.types);
    case 'TsTypeReference':
    case 'TsExpressionWithTypeArguments': {
      const name = nameOf(node.typeName ?? node.expression);
      return TRANSPARENT.has(name) ? namesIn(argumentsOf(node)) : [name];
    }
    default:
      return [];
  }
}

/** What each member gives. `seen`: declarations that led here, for types that contain themselves. */
function membersOf(types: Types, file: string, node: Node, seen: ReadonlySet<Node>): Gives[] {
  if (seen.has(node)) return [];
  const within = new Set([...seen, node]);
  const inherited = (from: unknown): Gives[] => {
    const [name] = namesIn(from);
    const found = name === undefined ? undefined : types.find(file, name);
    if (found === undefined || !('declaration' in found)) return [];
    const gives = membersOf(types, found.file, found.declaration, within);
    const reference = from as Node;
    const used = nameOf(reference.typeName ?? reference.expression);
    // Which ones are picked is not looked up: as many of those that give most.
    const chosen = (argumentsOf(reference)[1] as { types?: unknown[] } | undefined)?.types?.length ?? 1;
    if (used === 'Pick') return gives.sort(collaboratorsFirst).slice(0, chosen);
    return used === 'Omit' ? gives.sort(collaboratorsFirst).slice(chosen) : gives;
  };
  switch (node.type) {
    case 'TsInterfaceDeclaration': {
      const own = (node.body as { body: readonly Node[] }).body.map((member) =>
        memberGives(types, file, member, within),
      );
      return [...(node.extends as readonly Node[]).flatMap(inherited), ...own];
    }
    case 'TsTypeAliasDeclaration':
      return membersOf(types, file, node.typeAnnotation as Node, within);
    case 'TsTypeLiteral':
      return (node.members as readonly Node[]).map((member) => memberGives(types, file, member, within));
    case 'TsIntersectionType':
      return (node.types as readonly Node[]).flatMap((part) => membersOf(types, file, part, within));
    case 'TsTypeReference':
      return inherited(node);
    default:
      return [];
  }
}

const collaboratorsFirst = (one: Gives, other: Gives): number => Number(one === 'data') - Number(other === 'data');

function memberGives(types: Types, file: string, member: Node, seen: ReadonlySet<Node>): Gives {
  if (member.type === 'TsMethodSignature') return 'function';
  return member.type === 'TsPropertySignature' ? typeGives(types, file, member.typeAnnotation, seen) : 'data';
}

function typeGives(types: Types, file: string, type: unknown, seen: ReadonlySet<Node>): Gives {
  const node = type as Node | null | undefined;
  const give = (inner: unknown): Gives => typeGives(types, file, inner, seen);
  switch (node?.type) {
    case 'TsTypeAnnotation':
    case 'TsParenthesizedType':
    case 'TsTypeOperator':
      return give(node.typeAnnotation);
    case 'TsArrayType':
      return give(node.elemType);
    case 'TsFunctionType':
    case 'TsTypeQuery':
      return 'function';
    case 'TsIndexedAccessType': {
      // `Store['inbox']` is a member of something that has functions; `(typeof words)[number]` is data.
      const from = node.objectType as Node;
      return from.type === 'TsTypeReference' ? give(from) : 'data';
    }
    case 'TsUnionType':
    case 'TsIntersectionType':
      return (node.types as readonly unknown[]).map(give).find((one) => one !== 'data') ?? 'data';
    case 'TsTypeLiteral':
      return membersOf(types, file, node, seen).some((one) => one !== 'data') ? 'object' : 'data';
    case 'TsTypeReference':
      return nameGives(types, file, node, seen);
    default:
      return 'data';
  }
}

function nameGives(types: Types, file: string, node: Node, seen: ReadonlySet<Node>): Gives {
  const name = nameOf(node.typeName);
  if (name === 'ReturnType') return 'object';
  if (TRANSPARENT.has(name)) {
    const given = argumentsOf(node);
    return typeGives(types, file, ['Pick', 'Omit'].includes(name) ? given[0] : given.at(-1), seen);
  }
  const found = types.find(file, name);
  if (found === undefined) return 'data';
  // A client, a logger, a model: what packages are used for. Zod's types are those of data.
  if ('package' in found) return found.package === 'zod' ? 'data' : 'object';
  const { declaration } = found;
  if (declaration.type === 'ClassDeclaration') return 'object';
  if (seen.has(declaration)) return 'data';
  const within = new Set([...seen, declaration]);
  const alias = declaration.type === 'TsTypeAliasDeclaration' ? (declaration.typeAnnotation as Node) : undefined;
  if (alias !== undefined && !['TsTypeLiteral', 'TsIntersectionType'].includes(alias.type)) {
    return typeGives(types, found.file, alias, within);
  }
  return membersOf(types, found.file, declaration, seen).some((one) => one !== 'data') ? 'object' : 'data';
}

const argumentsOf = (node: Node): readonly unknown[] =>
  ((node.typeParams ?? node.typeArguments) as { params: readonly unknown[] } | null | undefined)?.params ?? [];

/** `N.M` is named by its first part. */
function nameOf(node: unknown): string {
  const { value, left } = node as { value?: string; left?: unknown };
  return left === undefined ? (value ?? '') : nameOf(left);
}
