import { isJsonObject, type JsonObject } from '../../../core/json/json.ts';
import { ask } from './failure.ts';
import type { GraphApi, GraphRequest } from './graph-api.ts';

/** A mailbox of a month does not have more; a server that pages for ever must not keep a worker. */
const MAX_PAGES = 2_000;

/** The pages of a collection, in order. @throws SallyportError ERR_SOURCE_UNAVAILABLE, ERR_SOURCE_REJECTED */
export async function* pagesOf(
  api: GraphApi,
  first: Omit<GraphRequest, 'method' | 'body'>,
): AsyncGenerator<JsonObject[]> {
  let request: GraphRequest | null = { ...first, method: 'GET' };
  for (let page = 0; request !== null && page < MAX_PAGES; page += 1) {
    const { body }: { body: JsonObject } = await ask(api, request);
    const { value } = body;
    yield Array.isArray(value) ? value.filter(isJsonObject) : [];
    const next = pathOf(body['@odata.nextLink']);
    request = next === null ? null : { ...first, method: 'GET', query: {}, path: next };
  }
}

/** Of the link only what stands below the version: the host stays the configured one, which alone gets our token. */
function pathOf(link: unknown): string | null {
  if (typeof link !== 'string' || !URL.canParse(link)) return null;
  const { pathname, search } = new URL(link);
  const parts = pathname.split('/');
  const version = parts.findIndex((part) => part === 'v1.0' || part === 'beta');
  const below = version === -1 ? [] : parts.slice(version + 1);
  return below.join('') === '' ? null : `/${below.join('/')}${search}`;
}
