import type { Clock } from '../../../core/clock.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import type { Logger } from '../../../core/logger.ts';
import { trimEndOf } from '../../../core/text/cap.ts';
import { ask, type GraphAnswer, type GraphApi, IMMUTABLE_IDS, pagesOf } from '../api/graph-api.ts';
import { timeOf } from '../read/mail.ts';
import type { ClientStates } from '../receive/verify.ts';
import { splitPath } from '../resource.ts';
import type { Kept, KeptStore, Wanted } from './kept.ts';

/** The certificate Graph encrypts with. */
export interface Certificate {
  readonly id: string;
  /** DER in base64. */
  readonly der: string;
}

/** A subscription we want to have. */
export interface Source extends Wanted {
  readonly nonce: string;
  /** With the object inside, encrypted for this certificate; null: hints only. */
  readonly certificate: Certificate | null;
}

/** Changes subscriptions at Graph, and records what Graph answered. @throws SallyportError ERR_SOURCE_* */
export interface Subscriptions {
  /** Makes the subscription, or adopts the one that is there: a create call whose answer was lost left one. */
  establish(source: Source, signal: AbortSignal): Promise<Kept | null>;
  /** Prolongs it, which reauthorizes it too. When it is gone the record says so afterwards. */
  renew(source: Source, kept: Kept, signal: AbortSignal): Promise<Kept | null>;
  /** Ends it at Graph; what is recorded of it stays. */
  end(kept: Kept, signal: AbortSignal): Promise<void>;
  /** Graph's ids of all our app's subscriptions. */
  present(signal: AbortSignal): Promise<ReadonlySet<string>>;
  /** What a subscription must have been made with to be the one that is wanted. */
  fingerprintOf(source: Source): string;
}

export function createSubscriptions({
  api,
  store,
  states,
  tenant,
  publicUrl,
  clock,
  random,
  logger,
}: {
  readonly api: GraphApi;
  readonly store: KeptStore;
  readonly states: ClientStates;
  readonly tenant: string;
  /** Of this gate, as Graph reaches it. */
  readonly publicUrl: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
}): Subscriptions {
  const urlsOf = (nonce: string) => {
    const hook = `${trimEndOf(publicUrl, '/')}/hooks/graph/${tenant}`;
    return { notificationUrl: `${hook}/${nonce}`, lifecycleNotificationUrl: `${hook}/lifecycle/${nonce}` };
  };

  const fingerprintOf = (source: Source): string =>
    [urlsOf(source.nonce).notificationUrl, source.certificate?.id ?? ''].join(' ');

  const creation = (source: Source, signal: AbortSignal) => {
    const { nonce, resource, changeType, certificate } = source;
    const body: JsonObject = {
      changeType,
      resource,
      ...urlsOf(nonce),
      clientState: states.stateOf(tenant, nonce),
      expirationDateTime: endOf(source, clock()),
      latestSupportedTlsVersion: 'v1_2',
      ...(certificate !== null && {
        includeResourceData: true,
        encryptionCertificate: certificate.der,
        encryptionCertificateId: certificate.id,
      }),
    };
    return { method: 'POST', path: '/subscriptions', prefer: [IMMUTABLE_IDS], body, signal } as const;
  };

  const establish = async (source: Source, signal: AbortSignal): Promise<Kept | null> => {
    for (let round = 0; round < 2; round += 1) {
      const answer = await ask(api, creation(source, signal), [409]);
      if (answer.status !== 409) return settle(source, answer);
      const twin = await findTwin(source, signal, api);
      if (twin === null) break;
      if (twin.notificationUrl === urlsOf(source.nonce).notificationUrl && isRich(twin) === isWantedRich(source)) {
        return adopt(source, String(twin.id), signal);
      }
      // Made under another address or by another installation: what it sends would not reach us.
      logger.warn({ tenant, resource: source.resource }, 'subscription.replaced');
      await deleteOne(String(twin.id), signal);
    }
    throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Graph has a subscription for this that it does not show');
  };

  const adopt = async (source: Source, id: string, signal: AbortSignal): Promise<Kept | null> => {
    const answer = await ask(api, prolongation(id, source, signal, clock()));
    logger.info({ tenant, resource: source.resource }, 'subscription.adopted');
    return prolonged(source, id, answer);
  };

  const prolonged = async (source: Source, id: string, answer: GraphAnswer): Promise<Kept | null> => {
    await settle(source, { ...answer, body: { ...answer.body, id } });
    return store.update(source.nonce, ({ renewedAt }) => ({ prolongedAt: renewedAt }));
  };

  const settle = (source: Source, { body }: GraphAnswer): Promise<Kept | null> => {
    const { id } = body;
    // Never the end we asked for: Graph rounds up what is short and cuts what is long.
    const expiresAt = typeof body.expirationDateTime === 'string' ? timeOf(body.expirationDateTime) : null;
    if (typeof id !== 'string' || expiresAt === null) {
      throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Graph answered without an id or an end');
    }
    const now = clock();
    // At half of its life at the latest, and not all of them at once.
    const renewAt = now + (expiresAt - now) * (0.4 + 0.1 * random());
    const madeWith = fingerprintOf(source);
    return store.update(source.nonce, () => ({ id, expiresAt, renewAt, renewedAt: now, madeWith, failure: null }));
  };

  const deleteOne = async (id: string, signal: AbortSignal): Promise<void> => {
    await ask(api, { method: 'DELETE', path: `/subscriptions/${encodeURIComponent(id)}`, signal }, [404]);
  };

  return {
    establish,
    async renew(source, kept, signal) {
      if (kept.id === null) return kept;
      const answer = await ask(api, prolongation(kept.id, source, signal, clock()), [404]);
      if (answer.status === 404) return store.update(source.nonce, () => ({ id: null, needsSync: true }));
      return prolonged(source, kept.id, answer);
    },
    async end(kept, signal) {
      if (kept.id !== null) await deleteOne(kept.id, signal);
    },
    async present(signal) {
      const ids = new Set<string>();
      for await (const page of pagesOf(api, { path: '/subscriptions', signal })) {
        for (const { id } of page) ids.add(String(id));
      }
      return ids;
    },
    fingerprintOf,
  };
}

function prolongation(id: string, source: Source, signal: AbortSignal, now: number) {
  const body = { expirationDateTime: endOf(source, now) };
  return { method: 'PATCH', path: `/subscriptions/${encodeURIComponent(id)}`, body, signal } as const;
}

const endOf = ({ resource, certificate }: Source, now: number): string =>
  new Date(now + lifetimeMs(resource, certificate !== null)).toISOString();

/** The subscription of our app for the same changes of the same resource; Graph allows one. */
async function findTwin(source: Source, signal: AbortSignal, api: GraphApi): Promise<JsonObject | null> {
  for await (const page of pagesOf(api, { path: '/subscriptions', signal })) {
    const twin = page.find((one) => sameResource(one, source) && sameChanges(one, source));
    if (twin !== undefined && typeof twin.id === 'string') return twin;
  }
  return null;
}

const sameResource = (one: JsonObject, { resource }: Source): boolean =>
  String(one.resource).replace(/^\/+/, '').toLowerCase() === resource.replace(/^\/+/, '').toLowerCase();

const sameChanges = (one: JsonObject, { changeType }: Source): boolean =>
  String(one.changeType).split(',').sort().join() === changeType.split(',').sort().join();

const isRich = (one: JsonObject): boolean => one.includeResourceData === true;
const isWantedRich = ({ certificate }: Source): boolean => certificate !== null;

const MINUTE_MS = 60_000;

/** Longest lives in minutes (learn.microsoft.com/graph/api/resources/subscription, "Subscription lifetime"; text of 2026). */
const OUTLOOK = { basic: 10_080, rich: 1_440 } as const;
const TEAMS = 4_320;
/** Of every other resource the shortest but presence, which is no message. */
const OTHER = 4_230;

/** Graph refuses what is beyond the limit by its own clock; ours may be ahead. */
const MARGIN_MS = 5 * MINUTE_MS;

/** How long a new subscription may be asked for, in ms. */
export function lifetimeMs(resource: string, isRich: boolean): number {
  const minutes = isTeams(resource) ? TEAMS : isOutlook(resource) ? OUTLOOK[isRich ? 'rich' : 'basic'] : OTHER;
  return minutes * MINUTE_MS - MARGIN_MS;
}

/** Chats and channels, of a user or of the whole tenant. */
export function isTeams(resource: string): boolean {
  const [first, second] = splitPath(resource);
  return first?.name === 'chats' || first?.name === 'teams' || second?.name === 'chats';
}

const outlook: ReadonlySet<string> = new Set(['messages', 'events', 'contacts']);

const isOutlook = (resource: string): boolean => outlook.has(splitPath(resource).at(-1)?.name ?? '');

/** Rich notifications of Outlook are sent only for resources that say which properties they want. */
export const canBeRich = (resource: string): boolean => isTeams(resource) || /[?&]\$select=/i.test(resource);
