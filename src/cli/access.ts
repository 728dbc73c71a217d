import { SignJWT } from 'jose';
import { z } from 'zod';
import { toUtf8 } from '../core/encoding.ts';
import { readDevSecrets } from './dev-secrets.ts';
import { EXIT, Exit, type Io } from './io.ts';

export interface TokenClaims {
  readonly subject: string;
  readonly tenant: string;
  /** Space separated. */
  readonly scope: string;
  readonly ttlMs: number;
}

/** An HS256 token for the API. */
export function mintToken(secret: string, { subject, tenant, scope, ttlMs }: TokenClaims): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  return new SignJWT({ tenant, scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setJti(crypto.randomUUID())
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + Math.floor(ttlMs / 1000))
    .sign(toUtf8(secret));
}

/** Where the API of the running gate is. */
export const apiUrl = (io: Io): string =>
  (io.environment.SALLYPORT_URL || `http://127.0.0.1:${io.environment.PORT || 8787}`).replace(/\/+$/, '');

/** What every command together may ask for. */
export const OPERATOR_SCOPES = 'events:read events:write subscriptions:read subscriptions:write';

/** Long enough for one command. */
const COMMAND_TOKEN_MS = 10 * 60_000;

/** `SALLYPORT_TOKEN`, or in a checkout where `dev` ran a short-lived token made from its secret. */
export async function apiToken(io: Io, tenant: string): Promise<string> {
  if (io.environment.SALLYPORT_TOKEN) return io.environment.SALLYPORT_TOKEN;
  const secret = io.environment.SALLYPORT_JWT_SECRET || (await readDevSecrets(io))?.SALLYPORT_JWT_SECRET;
  if (!secret) throw new Exit(EXIT.config, 'SALLYPORT_TOKEN: is required (sallyport token makes one)');
  return mintToken(secret, { subject: 'operator', tenant, scope: OPERATOR_SCOPES, ttlMs: COMMAND_TOKEN_MS });
}

const problemShape = z.object({ title: z.string(), code: z.string() });

/** Calls the API. @throws Exit 1 with the problem's title and code, or with the address that does not answer. */
export async function callApi(io: Io, tenant: string, method: 'GET' | 'POST', path: string): Promise<unknown> {
  const url = apiUrl(io);
  const authorization = `Bearer ${await apiToken(io, tenant)}`;
  const response = await fetch(`${url}${path}`, { method, headers: { authorization } }).catch(() => {
    throw new Exit(EXIT.failed, `SALLYPORT_URL: nothing answers at ${new URL(url).origin}`);
  });
  const body: unknown = await response.json().catch(() => null);
  if (response.ok) return body;
  const problem = problemShape.safeParse(body);
  throw new Exit(
    EXIT.failed,
    problem.success ? `${problem.data.title} (${problem.data.code})` : `the API answered ${response.status}`,
  );
}
