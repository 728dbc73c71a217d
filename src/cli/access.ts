import { SignJWT } from 'jose';
import * as z from 'zod';
import type { TokenSpoil } from '../channels/sample.node.ts';
import type { Config } from '../config/schema.ts';
import { toUtf8 } from '../core/crypto/encoding.ts';
import { scopes } from '../core/scope.ts';
import { oneLine } from './error-line.ts';
import { findGate, type Gate, type GateOptions, otherGate } from './gate.ts';
import { EXIT, Exit, type Io } from './io.ts';
import { secretOf, toolSettings } from './settings.ts';

export interface TokenClaims {
  readonly subject: string;
  readonly tenant: string;
  /** Space separated. */
  readonly scope: string;
  readonly ttlMs: number;
}

/**
 * An HS256 token as the API with these settings wants it, or null where they hold no secret to make one with. It lives no
 * longer than the API accepts.
 * `notBeforeMs`: epoch ms from which it is good; absent: at once.
 */
export async function mintToken(api: Config['api'], claims: TokenClaims, notBeforeMs?: number): Promise<string | null> {
  if (api.jwtSecret === undefined) return null;
  const { subject, tenant, scope } = claims;
  const ttlMs = Math.min(claims.ttlMs, api.tokenMaxLife);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const token = new SignJWT({ tenant, scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setJti(crypto.randomUUID())
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + Math.floor(ttlMs / 1000));
  if (notBeforeMs !== undefined) token.setNotBefore(Math.floor(notBeforeMs / 1000));
  if (api.jwtIssuer !== undefined) token.setIssuer(api.jwtIssuer);
  if (api.jwtAudience !== undefined) token.setAudience(api.jwtAudience);
  return token.sign(toUtf8(api.jwtSecret));
}

/** What every command together may ask for. */
export const OPERATOR_SCOPES = scopes.join(' ');

/** Long enough for one command. */
const COMMAND_TOKEN_MS = 10 * 60_000;

/** `SALLYPORT_TOKEN`, that of the `dev` which runs here, or a short-lived one made with the secret of file or environment. */
export async function apiToken(io: Io, tenant: string, devToken: string | null): Promise<string> {
  const given = await secretOf(io, 'SALLYPORT_TOKEN');
  // What cannot stand in a header would fail as if nobody had answered.
  if (given && !/^[\x21-\x7e]+$/.test(given)) throw new Exit(EXIT.config, 'SALLYPORT_TOKEN: is not a token');
  const claims = { subject: 'operator', tenant, scope: OPERATOR_SCOPES, ttlMs: COMMAND_TOKEN_MS };
  if (given) return given;
  if (devToken !== null && tenant === 'default') return devToken;
  const { api } = await toolSettings(io);
  const token = await mintToken(api, claims);
  if (token !== null) return token;
  const from = api.jwtJwksUrl === undefined ? 'sallyport token makes one' : 'a token of your identity provider';
  throw new Exit(EXIT.config, `SALLYPORT_TOKEN: is required (${from})`);
}

/** Whether commands bring a token of their own. */
export const isTokenGiven = async (io: Io): Promise<boolean> => Boolean(await secretOf(io, 'SALLYPORT_TOKEN'));

/** Why no token can be minted with these settings. */
export const cannotMint = (api: Config['api']): Exit =>
  new Exit(
    EXIT.config,
    api.jwtJwksUrl === undefined
      ? 'SALLYPORT_JWT_SECRET: is required (sallyport keygen prints one)'
      : 'SALLYPORT_JWT_JWKS_URL: is set, so tokens come from your identity provider',
  );

/** Beyond any clock difference that a gate forgives. */
const HOUR_MS = 3_600_000;

/** A token for `chat:write` that no gate may accept. @throws Exit 78 without the secret of the API */
export async function spoiledToken(spoil: TokenSpoil, tenant: string, io: Io): Promise<string> {
  const { api } = await toolSettings(io);
  const claims: TokenClaims = { subject: 'operator', tenant, scope: 'chat:write', ttlMs: HOUR_MS };
  const token = await mintToken(
    spoil === 'wrong-key' && api.jwtSecret !== undefined ? { ...api, jwtSecret: `${api.jwtSecret}, another` } : api,
    spoil === 'stale' ? { ...claims, ttlMs: -HOUR_MS } : claims,
    spoil === 'future' ? Date.now() + HOUR_MS : undefined,
  );
  if (token === null) throw cannotMint(api);
  if (spoil !== 'altered') return token;
  const [header, , signature] = token.split('.');
  const other = await mintToken(api, { ...claims, subject: 'another' });
  return [header, other?.split('.')[1], signature].join('.');
}

/** Milliseconds until a gate that does not answer is given up. */
const ANSWER_MS = 30_000;

const problemShape = z.object({
  title: z.string(),
  code: z.string(),
  detail: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Calls the API. @throws Exit 1 with the gate's URL and the problem's title and code, or that it does not answer */
export async function callApi(
  io: Io,
  options: GateOptions,
  method: Method,
  path: string,
  content?: unknown,
): Promise<unknown> {
  const gate = await findGate(io, options);
  const body = await answerOf(io, gate, options.tenant, method, path, content);
  try {
    return JSON.parse(body);
  } catch {
    throw notSallyport(gate);
  }
}

/** The same for an answer that is not JSON. */
export const callApiForText = async (io: Io, options: GateOptions, path: string): Promise<string> =>
  answerOf(io, await findGate(io, options), options.tenant, 'GET', path);

/** What a gate answers to a plain request, `bearer` being the token of `/metrics`; null where nothing answers. */
export async function askGate(
  { url }: Gate,
  path: string,
  bearer?: string,
): Promise<{ readonly status: number; readonly body: string } | null> {
  const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  try {
    const response = await fetch(`${url}${path}`, { headers, signal: AbortSignal.timeout(ANSWER_MS) });
    return { status: response.status, body: await response.text() };
  } catch {
    return null;
  }
}

/** Another program has the port, or stands before the gate. */
export const notSallyport = (gate: Gate): Exit =>
  new Exit(
    EXIT.failed,
    `${gate.url} answered, but it is not Sallyport (another program, or a proxy before the gate)${otherGate(gate)}`,
  );

/** Whether what answers at an origin is Sallyport. */
export async function isSallyport(gate: Gate): Promise<boolean> {
  const { data } = z
    .object({ status: z.literal('ok') })
    .safeParse(parsed((await askGate(gate, '/health'))?.body ?? ''));
  return data !== undefined;
}

const asked = new WeakMap<Io, Gate>();

/** The gate that a command has asked last, for what turns out to be wrong with its answer. */
export const askedGate = (io: Io): Gate | undefined => asked.get(io);

async function answerOf(
  io: Io,
  gate: Gate,
  tenant: string,
  method: Method,
  path: string,
  content?: unknown,
): Promise<string> {
  asked.set(io, gate);
  const token = await apiToken(io, tenant, gate.devToken);
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const request = { method, headers, signal: AbortSignal.timeout(ANSWER_MS) };
  const sent = content === undefined ? request : { ...request, body: JSON.stringify(content) };
  const response = await fetch(`${gate.url}${path}`, sent).catch(() => {
    throw new Exit(EXIT.failed, `nothing answers at ${new URL(gate.url).origin}${otherGate(gate)}`);
  });
  const body = await response.text().catch(() => '');
  if (response.ok) return body;
  const problem = problemShape.safeParse(parsed(body));
  if (!problem.success) throw notSallyport(gate);
  const { title, code, detail, errors = [] } = problem.data;
  const reasons = [...(detail === undefined ? [] : [detail]), ...errors.map((one) => `${one.path}: ${one.message}`)];
  const why = reasons.length === 0 ? '' : `: ${reasons.join('; ')}`;
  throw new Exit(EXIT.failed, oneLine(`${gate.url}: ${title} (${code})${why}`));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
