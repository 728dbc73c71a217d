import type { JsonObject } from '../../../core/json/json.ts';
import { ask } from '../api/failure.ts';
import { type GraphApi, IMMUTABLE_IDS } from '../api/graph-api.ts';
import type { ObjectRef } from '../resource.ts';
import { mailQuery } from './mail.ts';

/** Graph turns the body of a mail into text itself when asked. */
const TEXT_BODIES = 'outlook.body-content-type="text"';

/** The object itself; null when there is no such object (any more). @throws SallyportError ERR_SOURCE_* */
export async function fetchObject(api: GraphApi, ref: ObjectRef, signal: AbortSignal): Promise<JsonObject | null> {
  const isMail = ref.kind === 'mail';
  const query = isMail ? { query: mailQuery } : {};
  const prefer = [IMMUTABLE_IDS, ...(isMail ? [TEXT_BODIES] : [])];
  const answer = await ask(api, { method: 'GET', path: pathOf(ref), prefer, signal, ...query }, [404, 410]);
  return answer.status === 404 || answer.status === 410 ? null : answer.body;
}

export function pathOf(ref: ObjectRef): string {
  const join = (...segments: readonly string[]): string =>
    segments.map((segment) => `/${encodeURIComponent(segment)}`).join('');
  switch (ref.kind) {
    case 'mail':
      return join('users', ref.mailbox, 'messages', ref.message);
    case 'chat':
      return join('chats', ref.chat, 'messages', ref.message);
    case 'channel': {
      const root = join('teams', ref.team, 'channels', ref.channel, 'messages', ref.root);
      return ref.reply === undefined ? root : root + join('replies', ref.reply);
    }
  }
}
