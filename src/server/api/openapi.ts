import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { type ErrorCode, statusOf, titleOf } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { App } from '../http/context.ts';
import { type AnswerAbout, aboutOf, describeRoute, type RouteAbout } from './endpoint.ts';
import { problem } from './shapes.ts';

/** Of the interface, not of the program: who asks need not know which release answers. */
const API_VERSION = '1';

/** `GET /openapi.json`: every described route of the app, without a token. */
export const mountOpenApi = (app: App): void => {
  const about: RouteAbout = {
    id: 'getDescription',
    summary: 'This description',
    scope: null,
    answers: { 200: { description: 'an OpenAPI 3.1 document', body: z.record(z.string(), z.unknown()) } },
  };
  let text: string | undefined;
  app.get(
    '/openapi.json',
    describeRoute(about, async () => {
      // When the first is asked for, every route has been mounted.
      text ??= JSON.stringify(openApiDocument(app));
      return new Response(text, { headers: { 'content-type': 'application/json' } });
    }),
  );
};

/** The OpenAPI 3.1 document of an app's described routes, in the order they were mounted. */
export function openApiDocument(app: App): JsonObject {
  const schemas: Record<string, JsonObject> = {};
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const { method, path, handler } of app.routes) {
    const about = aboutOf(handler);
    if (about === undefined) continue;
    const name = path.replace(/:(\w+)/g, '{$1}');
    paths[name] = { ...paths[name], [method.toLowerCase()]: operation(method, about, schemas) };
  }
  // Last, so that it is there even when no route refers to it.
  schemaOf(problem, schemas);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sallyport',
      version: API_VERSION,
      description:
        'What operators and callers do over HTTP. Each tenant sees only its own; the token names the tenant.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            'Claims: `sub`, `tenant`, `scope` (space separated) and `exp`. Only in this header, never in the query.',
        },
      },
    },
  };
}

function operation(method: string, about: RouteAbout, schemas: Record<string, JsonObject>): JsonObject {
  const { id, summary, description, scope, params, query, body } = about;
  const isOnce = method === 'POST' && scope !== null;
  const headers = { ...about.headers, ...(isOnce && { 'Idempotency-Key': ONCE }) };
  const parameters = [
    ...parametersIn('path', params, schemas),
    ...parametersIn('query', query, schemas),
    ...Object.entries(headers).map(([name, text]) => ({
      ...{ name, in: 'header', required: false, description: text },
      schema: { type: 'string' },
    })),
  ];
  const content = body && { 'application/json': { schema: schemaOf(body, schemas) } };
  const answers = Object.entries(about.answers).map(
    ([status, answer]) => [status, responseOf([answer].flat() as readonly AnswerAbout[], schemas)] as const,
  );
  return {
    operationId: id,
    summary,
    ...defined({ description }),
    security: scope === null ? [] : [{ token: [scope] }],
    ...(parameters.length > 0 && { parameters }),
    ...(content !== undefined && { requestBody: { required: true, content } }),
    responses: { ...Object.fromEntries(answers), ...failuresOf(about, isOnce) },
  };
}

function parametersIn(
  place: 'path' | 'query',
  shape: z.ZodType | undefined,
  schemas: Record<string, JsonObject>,
): JsonObject[] {
  if (shape === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(shape, schemas) as {
    readonly properties?: Readonly<Record<string, JsonObject>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...defined({ description }),
    schema,
  }));
}

const ONCE = 'a string in quotes that names this request: sent again, it does nothing twice and has the same answer';

/** A status has one answer, or one for each content type. */
function responseOf(answers: readonly AnswerAbout[], schemas: Record<string, JsonObject>): JsonObject {
  const content: Record<string, JsonObject> = {};
  const headers: Record<string, JsonObject> = {};
  for (const answer of answers) {
    if (answer.body !== undefined) content['application/json'] = { schema: schemaOf(answer.body, schemas) };
    else if (answer.content !== undefined) content[answer.content] = { schema: { type: 'string' } };
    for (const [name, description] of Object.entries(answer.headers ?? {})) {
      headers[name] = { description, schema: { type: 'string' } };
    }
  }
  return {
    description: answers.map(({ description }) => description).join('; or '),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(Object.keys(content).length === 0 ? {} : { content }),
  };
}

/** Failures by status, each with the codes it may have. */
function failuresOf(about: RouteAbout, isOnce: boolean): Record<string, JsonObject> {
  const codes: ErrorCode[] = [...(about.errors ?? [])];
  if (isOnce) codes.push('ERR_IDEMPOTENCY_KEY_REUSED');
  if (isOnce && about.readsBody !== 'handler') codes.push('ERR_REQUEST_RUNNING', 'ERR_ANSWER_LOST');
  if (about.query !== undefined || about.body !== undefined) codes.push('ERR_INVALID_REQUEST');
  if (about.body !== undefined)
    codes.push('ERR_BODY_UNPARSABLE', 'ERR_BODY_ABORTED', 'ERR_BODY_TIMEOUT', 'ERR_BODY_TOO_LARGE');
  if (about.params !== undefined) codes.push('ERR_NOT_FOUND');
  if (about.scope !== null) {
    codes.push('ERR_UNAUTHENTICATED', 'ERR_FORBIDDEN', 'ERR_RATE_LIMITED', 'ERR_STORE_UNAVAILABLE', 'ERR_INTERNAL');
  }
  const statuses = [...new Set(codes.map(statusOf))].toSorted((a, b) => a - b);
  const codesOf = (status: number) => [...new Set(codes)].filter((code) => statusOf(code) === status);
  return Object.fromEntries(statuses.map((status) => [String(status), failureOf(status, codesOf(status))]));
}

const FAILURE_HEADERS: Readonly<Record<number, readonly [name: string, description: string]>> = {
  401: ['WWW-Authenticate', '`Bearer`, with `error="invalid_token"` where a token was given'],
  403: ['WWW-Authenticate', 'names the scope that the token lacks'],
  429: ['Retry-After', 'seconds'],
  503: ['Retry-After', 'seconds'],
};

function failureOf(status: number, codes: readonly ErrorCode[]): JsonObject {
  const header = FAILURE_HEADERS[status];
  return {
    description: codes.map((code) => `\`${code}\`: ${titleOf(code)}`).join('; '),
    ...(header === undefined
      ? {}
      : { headers: { [header[0]]: { description: header[1], schema: { type: 'string' } } } }),
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

/**
 * The JSON Schema of what a caller sends, or reads: objects of answers may get further members, so they are open. Named
 * parts (`meta({ id })`) go to `schemas`.
 */
function schemaOf(shape: z.ZodType, schemas: Record<string, JsonObject>): JsonObject {
  // Within an object, so that a shape with a name is a reference as well.
  const whole = z.toJSONSchema(z.object({ shape }), { io: 'input', override: ({ jsonSchema }) => plain(jsonSchema) });
  const { properties, $defs = {} } = moved(whole as unknown as JsonObject) as unknown as {
    readonly properties: { readonly shape: JsonObject };
    readonly $defs?: Readonly<Record<string, JsonObject>>;
  };
  for (const [name, schema] of Object.entries($defs)) schemas[name] = schema;
  return properties.shape;
}

/** Leaves out what says no more than the rest: a date's pattern beside its format, the greatest safe integer. */
function plain(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.format === 'date-time') delete schema.pattern;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
}

const moved = (schema: JsonObject): JsonObject =>
  JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/$defs/', '"$ref":"#/components/schemas/')) as JsonObject;
