import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type * as z from 'zod';
import { type ErrorCode, SallyportError } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import { validated } from '../../core/validate.ts';
import type { AppContext } from '../http/context.ts';
import type { Authorize, Caller } from './auth.ts';
import type { RunOnce } from './idempotency.ts';
import { readJson } from './request.ts';

/** One status that a route answers when all went well. */
export interface AnswerAbout {
  readonly description: string;
  /** Of a JSON body. */
  readonly body?: z.ZodType;
  /** Of a body that is not JSON: its content type. */
  readonly content?: string;
  /** Headers that matter to a caller, by name, and what they say. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type Answers = Readonly<Record<number, AnswerAbout | readonly AnswerAbout[]>>;

/**
 * What a route takes and answers. `/openapi.json` and `docs/api.md` are made of it, and requests are checked against it:
 * the schemas of a path, a query and a body are the ones that validate.
 */
export interface RouteAbout<A extends Answers = Answers, P = unknown, Q = unknown, B = unknown> {
  /** `operationId`: unique, and public like the path. */
  readonly id: string;
  readonly summary: string;
  /** Markdown. */
  readonly description?: string;
  /** Null: the route needs no token. */
  readonly scope: Scope | null;
  /** Of the path's parameters. A path that does not match is not found; the schema's error text says what. */
  readonly params?: z.ZodType<P>;
  /** Absent: the query is ignored. */
  readonly query?: z.ZodType<Q>;
  /** Absent: a body is ignored. */
  readonly body?: z.ZodType<B>;
  /** `handler`: it reads and checks the body by itself, with `body`. */
  readonly readsBody?: 'handler';
  /** The part of `body` that is checked, where the path decides about it. */
  readonly bodyFor?: (params: P) => z.ZodType<B>;
  /** Headers that the route reads beside those of every route, by name, and what they do. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly answers: A;
  /** Codes of failures beside those that every route of its kind has. */
  readonly errors?: readonly ErrorCode[];
}

type JsonAnswer<S, T> = T extends { readonly body: infer Z extends z.ZodType }
  ? { readonly status: S; readonly body: z.input<Z>; readonly headers?: Readonly<Record<string, string>> }
  : never;

/** An answer as one of those that the route's description allows. */
type AnswerOf<A extends Answers> = {
  [S in keyof A & number]: A[S] extends readonly (infer T)[] ? JsonAnswer<S, T> : JsonAnswer<S, A[S]>;
}[keyof A & number];

/** A JSON answer, as one that the route's description has. */
export const json = <const S extends number, T extends object>(
  status: S,
  body: T,
  headers: Readonly<Record<string, string>> = {},
): { readonly status: S; readonly body: T; readonly headers: Readonly<Record<string, string>> } => ({
  status,
  body,
  headers,
});

/** A request that has passed its route's checks. */
export interface Asked<P, Q, B> {
  readonly c: AppContext;
  readonly caller: Caller;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

export type Handler = (c: AppContext) => Promise<Response>;

/**
 * Makes the handler of a described route of the API: token and scope first, then path, query and body, then `handle`.
 * `handle` answers with JSON as described, or with a Response of its own where the answer is no JSON.
 */
export type Endpoint = <const A extends Answers, P, Q, B>(
  about: RouteAbout<A, P, Q, B> & { readonly scope: Scope },
  handle: (asked: Asked<P, Q, B>) => Promise<AnswerOf<A> | Response>,
) => Handler;

const described = new WeakMap<object, RouteAbout>();

/** Attaches a description to a handler that does its own checks. */
export function describeRoute<H extends object>(about: RouteAbout, handler: H): H {
  described.set(handler, about);
  return handler;
}

/** The description of a route's handler; undefined for one without. */
export const aboutOf = (handler: object): RouteAbout | undefined => described.get(handler);

interface WrittenAnswer {
  readonly status: ContentfulStatusCode;
  readonly body: object;
  readonly headers?: Record<string, string>;
}

export const createEndpoint =
  (authorize: Authorize, runOnce: RunOnce): Endpoint =>
  (about, handle) => {
    const handler: Handler = async (c) => {
      const caller = await authorize(c, about.scope);
      // Where a schema is absent, `handle` knows nothing of the type and cannot read from it.
      type Given = Parameters<typeof handle>[0];
      const params = (about.params && pathOf(c, about.params)) as Given['params'];
      const query = (about.query && validated(c.req.query(), about.query)) as Given['query'];
      const shape = about.readsBody === 'handler' ? undefined : (about.bodyFor?.(params) ?? about.body);
      const body = (shape && (await readJson(c, shape))) as Given['body'];
      const work = async (): Promise<Response> => {
        const answer = await handle({ c, caller, params, query, body });
        if (answer instanceof Response) return answer;
        const { status, body: content, headers } = answer as WrittenAnswer;
        return c.json(content, status, headers);
      };
      if (c.req.method !== 'POST' || about.readsBody === 'handler') return work();
      const asked = [
        c.req.path,
        JSON.stringify(query ?? null),
        JSON.stringify(body ?? null),
        c.req.header('if-match') ?? '',
      ];
      return runOnce(c, caller, asked, work);
    };
    return describeRoute(about as unknown as RouteAbout, handler);
  };

/** @throws SallyportError ERR_NOT_FOUND: what does not look like a name of ours is never looked for. */
function pathOf<P>(c: AppContext, shape: z.ZodType<P>): P {
  const { data, error } = shape.safeParse(c.req.param());
  if (error === undefined) return data;
  throw new SallyportError('ERR_NOT_FOUND', error.issues[0]?.message ?? 'not found');
}
