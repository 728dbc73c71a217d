import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { type ApiDocument, withApp } from '../../../../scripts/api.ts';

/** Routes that are no part of the API: each channel has its vendor's own protocol. */
const OTHERS = ['ALL /hooks/*'];

/** What the listener gives every request. */
const NODE = { incoming: { headers: {}, socket: { remoteAddress: '203.0.113.9' } } };

interface Route {
  readonly method: string;
  readonly path: string;
}

type SpecData = Record<string, unknown>;

const described = withApp(async (app) => {
  const response = await app.request('/openapi.json');
  const routes = app.routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  const document = (await response.json()) as ApiDocument;
  const statuses = new Map<string, number>();
  for (const { method, path } of operations(document)) {
    const url = path.replaceAll(/\{\w+\}/g, 'x');
    statuses.set(`${method} ${path}`, (await app.request(url, { method }, NODE)).status);
  }
  return { status: response.status, type: response.headers.get('content-type'), document, routes, statuses };
});

function operations({ paths }: ApiDocument): Route[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  );
}

test('the description is answered without a token', async () => {
  const { status, type, document } = await described;
  expect([status, type]).toEqual([200, 'application/json']);
  expect(document).toMatchObject({ openapi: '3.1.0' });
});

test('a public validator finds nothing wrong with it', async () => {
  const { document } = await described;
  const validator = new Validator();
  expect(await validator.validate(structuredClone(document) as unknown as SpecData)).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  const broken = { ...structuredClone(document), paths: { '/events': { get: { responses: 'none' } } } };
  expect((await new Validator().validate(broken as unknown as SpecData)).valid).toBe(false);
});

test('every route is described, and every description has its route', async () => {
  const { document, routes } = await described;
  const known = operations(document).map(({ method, path }) => `${method} ${path}`);
  expect(known.length).toBeGreaterThan(20);
  // Middleware stands before all routes.
  const served = routes.filter((route) => !OTHERS.includes(route) && !/^ALL \/?\*$/.test(route));
  expect(served.toSorted(), 'a route needs a description: server/api/endpoint.ts').toEqual(known.toSorted());
});

test('a route asks for a token exactly when its description says so', async () => {
  const { document, statuses } = await described;
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { security, responses }] of Object.entries(methods)) {
      const name = `${method.toUpperCase()} ${path}`;
      expect([name, statuses.get(name) === 401]).toEqual([name, '401' in responses]);
      if (security.length > 0) expect(Object.keys(responses)).toEqual(expect.arrayContaining(['401', '403', '503']));
    }
  }
});

test('operations have names of their own', async () => {
  const { document } = await described;
  const ids = Object.values(document.paths).flatMap((methods) => Object.values(methods).map((one) => one.operationId));
  expect(new Set(ids).size).toBe(ids.length);
});
