import { SignJWT } from 'jose';
import type { App } from '../../src/server/http/context.ts';
import { JWT_SECRET } from './gate.ts';
import { answered } from './slack.ts';

export interface ApiCaller {
  readonly sub?: string;
  readonly tenant?: string;
  readonly scope?: string;
}

const ALL = 'events:read events:write reviews:read reviews:decide';

/** Calls the API of a gate as whoever is given; a body makes it a POST. */
export async function callApi(app: App, path: string, body?: unknown, caller: ApiCaller = {}) {
  const { sub = 'ada', tenant = 'default', scope = ALL } = caller;
  const bearer = await new SignJWT({ tenant, scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const headers = { authorization: `Bearer ${bearer}` };
  const init =
    body === undefined
      ? { headers }
      : { headers, method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) };
  const { status, body: text } = await answered(await app.request(new Request(`http://gate.test${path}`, init)));
  return { status, text, json: JSON.parse(text) };
}
