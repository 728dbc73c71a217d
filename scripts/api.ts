// Writes what is made of the API's own description: `npm run docs:api`.
// docs/api.md: the routes, between two marks. test/support/api-types.ts: types of them, which the journey tests are written against.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startIngress } from '../src/app/ingress.node.ts';
import { openRuntime } from '../src/app/runtime.node.ts';
import { configSchema } from '../src/config/schema.ts';
import { openApiDocument } from '../src/server/api/openapi.ts';
import type { App } from '../src/server/http/context.ts';

const PAGE = fileURLToPath(new URL('../docs/api.md', import.meta.url));
const TYPES = fileURLToPath(new URL('../test/support/api-types.ts', import.meta.url));

/** The app of an ingress as it is without further configuration, over a store of its own that is gone afterwards. */
export async function withApp<T>(use: (app: App) => T | Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-api-'));
  const key = Buffer.alloc(32, 1).toString('base64');
  const runtime = await openRuntime(
    configSchema.parse({
      server: { host: '127.0.0.1', port: 0 },
      keys: { seal: key, id: key },
      store: { dataDir: folder },
      logLevel: 'silent',
      metricsToken: 'a-token-for-metrics',
    }),
    'ingress',
    false,
  );
  const ingress = await startIngress(runtime);
  try {
    return await use(ingress.app);
  } finally {
    await ingress.close(0);
    runtime.ready.stop();
    await runtime.clients.close(0);
    await runtime.store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly description?: string;
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly security: readonly { readonly token: readonly string[] }[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly description: string;
        readonly headers?: Readonly<Record<string, { readonly description: string }>>;
        readonly content?: Content;
      }
    >
  >;
}

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** @throws Error for a schema of a kind that the API does not use yet */
function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return nameOf(schema);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' | ');
  if (typeof schema.type === 'object') return schema.type.map((type) => typeOf({ ...schema, type })).join(' | ');
  switch (schema.type) {
    case 'array':
      return `readonly (${typeOf(schema.items ?? {})})[]`;
    case 'object':
      return objectOf(schema);
    case 'integer':
    case 'number':
      return 'number';
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case undefined:
      return 'unknown';
    default:
      throw new Error(`a schema has the type ${schema.type}, which scripts/api.ts does not know`);
  }
}

const nameOf = ({ $ref = '' }: Schema): string => $ref.slice('#/components/schemas/'.length);

function objectOf({ properties = {}, required = [], additionalProperties }: Schema): string {
  const members = Object.entries(properties).map(
    ([name, schema]) => `readonly ${name}${required.includes(name) ? '' : '?'}: ${typeOf(schema)}`,
  );
  if (typeof additionalProperties === 'object')
    members.push(`readonly [name: string]: ${typeOf(additionalProperties)}`);
  return `{ ${members.join('; ')} }`;
}

/** Types of every route, by method and path, and of the named schemas. */
export function typesOf({ paths, components }: ApiDocument): string {
  const named = Object.entries(components.schemas).map(
    ([name, schema]) => `export type ${name} = ${typeOf(schema)};\n`,
  );
  const routes = operationsOf(paths).map(({ method, path, operation }) => {
    const { parameters = [], requestBody, responses } = operation;
    const parts = [
      ...(['path', 'query'] as const).flatMap((place) => {
        const some = parameters.filter((one) => one.in === place);
        if (some.length === 0) return [];
        const members = some.map(
          ({ name, required, schema }) => `readonly ${name}${required ? '' : '?'}: ${typeOf(schema)}`,
        );
        return [`readonly ${place}${some.some((one) => one.required) ? '' : '?'}: { ${members.join('; ')} }`];
      }),
      ...(requestBody === undefined ? [] : [`readonly body: ${bodyType(requestBody.content)}`]),
      `readonly answers: { ${Object.entries(responses)
        .map(([status, { content }]) => `readonly ${status}: ${content === undefined ? 'null' : bodyType(content)}`)
        .join('; ')} }`,
    ];
    return `  readonly '${method.toUpperCase()} ${path}': { ${parts.join('; ')} };\n`;
  });
  return [
    '// Written by `npm run docs:api` from the description that `GET /openapi.json` answers.\n\n',
    ...named,
    '\nexport interface Routes {\n',
    ...routes,
    '}\n',
  ].join('');
}

const bodyType = (content: Content): string =>
  Object.entries(content)
    .map(([type, { schema }]) => (type.endsWith('json') ? typeOf(schema) : 'string'))
    .join(' | ');

const operationsOf = (paths: ApiDocument['paths']) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );

const SECTION = /(<!-- routes -->\n)[\s\S]*?(<!-- \/routes -->)/;

/** The page with its routes written anew. */
export const withRoutes = (page: string, document: ApiDocument): string =>
  page.replace(SECTION, (_, start: string, end: string) => `${start}\n${routesOf(document)}${end}`);

function routesOf({ paths, components }: ApiDocument): string {
  const operations = operationsOf(paths);
  const overview = operations.map(({ method, path, operation }) => {
    const [scope] = operation.security.flatMap(({ token }) => token);
    const link = `[\`${method.toUpperCase()} ${path}\`](#${operation.operationId.toLowerCase()})`;
    return `| ${link} | ${scope === undefined ? '–' : `\`${scope}\``} | ${operation.summary} |\n`;
  });
  const common = commonFailures(operations.map(({ operation }) => operation));
  const bodies = Object.entries(components.schemas).filter(([, { properties }]) => properties !== undefined);
  return [
    '| route | scope | |\n|---|---|---|\n',
    ...overview,
    '\nFailures that most routes may have, and that are not repeated below:\n\n| status | |\n|---|---|\n',
    ...[...common].map(([description, status]) => `| ${status} | ${cell(description)} |\n`),
    ...operations.map(({ method, path, operation }) => section(`${method.toUpperCase()} ${path}`, operation, common)),
    '\n## Objects\n',
    ...bodies.map(([name, schema]) => `\n### ${name}\n\n${said(schema.description)}${fields(schema)}`),
    '\n',
  ].join('');
}

/** Routes of which a failure has to be one to count as common. */
const COMMON = 4;

/** Descriptions of failures that many routes have alike, with their status, by status. */
function commonFailures(operations: readonly Operation[]): ReadonlyMap<string, string> {
  const failures = operations.flatMap(({ responses }) =>
    Object.entries(responses).filter(([status]) => Number(status) >= 400),
  );
  const often = failures.filter(
    ([, { description }]) => failures.filter(([, other]) => other.description === description).length >= COMMON,
  );
  return new Map(
    often.toSorted(([a], [b]) => Number(a) - Number(b)).map(([status, { description }]) => [description, status]),
  );
}

const said = (text: string | undefined): string => (text === undefined ? '' : `${text}\n\n`);

function section(title: string, operation: Operation, common: ReadonlyMap<string, string>): string {
  const { operationId, summary, description, security, parameters = [], requestBody, responses } = operation;
  const [scope] = security.flatMap(({ token }) => token);
  const inputs = parameters.map(
    ({ name, in: place, schema, description: text = '' }) =>
      `| \`${name}\` | ${place} | ${shown(schema)} | ${cell(text)} |\n`,
  );
  const own = Object.entries(responses).filter((one) => !common.has(one[1].description));
  const answers = own.map(([status, { description: text, headers = {}, content = {} }]) => {
    const body = Object.entries(content).map(([type, { schema }]) =>
      type === 'application/json' ? shown(schema) : `\`${type}\``,
    );
    const named = Object.entries(headers).map(([name, header]) => `\`${name}\`: ${cell(header.description)}`);
    return `| ${status} | ${cell(text)} | ${[...body, ...named].join('<br>')} |\n`;
  });
  return [
    `\n## ${operationId}\n\n\`${title}\`${scope === undefined ? ', without a token' : `, scope \`${scope}\``}: ${summary}.\n`,
    description === undefined ? '' : `\n${description}\n`,
    inputs.length === 0 ? '' : `\n| parameter | in | | |\n|---|---|---|---|\n${inputs.join('')}`,
    ...Object.values(requestBody?.content ?? {}).map(({ schema }) => `\nBody: ${shown(schema)}\n\n${fields(schema)}`),
    `\n| status | | body and headers |\n|---|---|---|\n${answers.join('')}`,
  ].join('');
}

function fields({ properties, required = [] }: Schema): string {
  if (properties === undefined) return '';
  const rows = Object.entries(properties).map(
    ([name, schema]) =>
      `| \`${name}\` | ${shown(schema)}${required.includes(name) ? '' : ', optional'} | ${cell(schema.description ?? '')} |\n`,
  );
  return `| field | type | |\n|---|---|---|\n${rows.join('')}`;
}

/** A schema in a cell of a table. */
function shown(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = nameOf(schema);
    return name === 'Problem' || name === 'ErrorCode' ? `\`${name}\`` : `[${name}](#${name.toLowerCase()})`;
  }
  return `\`${cell(typeOf(schema).replaceAll('readonly ', ''))}\``;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The page and the types as they are, and as they have to be. */
export async function generated(): Promise<
  readonly { readonly file: string; readonly is: string; readonly mustBe: string }[]
> {
  const document = await withApp((app) => openApiDocument(app) as unknown as ApiDocument);
  const [page, types] = await Promise.all([readFile(PAGE, 'utf8'), readFile(TYPES, 'utf8').catch(() => '')]);
  return [
    { file: PAGE, is: page, mustBe: withRoutes(page, document) },
    { file: TYPES, is: types, mustBe: typesOf(document) },
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { file, mustBe } of await generated()) await writeFile(file, mustBe);
}
