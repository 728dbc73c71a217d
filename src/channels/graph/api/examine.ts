import type { Source } from '../sync/subscriptions.ts';
import type { GraphApi } from './graph-api.ts';
import { pagesOf } from './pages.ts';

/**
 * Whether Graph takes our credentials and has the subscriptions we want; says so in a line.
 * @throws Error whose text names the setting to look at, or SallyportError ERR_SOURCE_* when Graph does not say
 */
export async function examineGraph(api: GraphApi, sources: Iterable<Source>, signal: AbortSignal): Promise<string> {
  const urls: string[] = [];
  for await (const page of pagesOf(api, { path: '/subscriptions', signal })) {
    urls.push(...page.map(({ notificationUrl }) => String(notificationUrl)));
  }
  const wanted = [...sources];
  const missing = wanted.filter(({ nonce }) => !urls.some((url) => url.endsWith(`/${nonce}`)));
  if (missing.length > 0) {
    throw new Error(`GRAPH_SUBSCRIPTIONS: ${missing.length} of ${wanted.length} are not there; is a worker running?`);
  }
  return wanted.length === 0 ? 'accepted' : `accepted, ${wanted.length} subscriptions are there`;
}
