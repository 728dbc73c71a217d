import { type KeyObject, randomUUID } from 'node:crypto';
import { publicKeyOf } from '../keys/certificate.ts';
import { type PostToGate, validateEndpoint } from './handshake.ts';
import { graphTime } from './signer.ts';

/** A subscription as Graph holds it. */
export interface GraphSubscription {
  readonly id: string;
  readonly resource: string;
  readonly changeType: string;
  readonly notificationUrl: string;
  readonly lifecycleNotificationUrl: string | undefined;
  readonly clientState: string | undefined;
  /** The key rich notifications are encrypted with; undefined for basic ones. */
  readonly encryption: { readonly id: string; readonly key: KeyObject } | undefined;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Status and JSON of an answer. */
export interface GraphResult {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The `/subscriptions` of an app. */
export interface GraphSubscriptions {
  /** Those that have not ended. */
  list(): readonly GraphSubscription[];
  create(body: Readonly<Record<string, unknown>>): Promise<GraphResult>;
  get(id: string): GraphResult;
  prolong(id: string, body: Readonly<Record<string, unknown>>): GraphResult;
  end(id: string): GraphResult;
}

const MINUTE_MS = 60_000;

/** Graph raises what is shorter. */
const SHORTEST_MS = 45 * MINUTE_MS;

export const graphError = (status: number, code: string): GraphResult => ({
  status,
  body: { error: { code, message: code } },
});

/** Longest life in minutes, by learn.microsoft.com/graph/api/resources/subscription. */
function longestMs(resource: string, isRich: boolean): number {
  if (/^\/?(chats|teams)\b|\/chats\b/i.test(resource)) return 4_320 * MINUTE_MS;
  if (/\/(messages|events|contacts)$/i.test(resource.split('?')[0] ?? '')) return (isRich ? 1_440 : 10_080) * MINUTE_MS;
  return 4_230 * MINUTE_MS;
}

export function createGraphSubscriptions({
  clock,
  post,
  canonical,
  lifeMs,
}: {
  readonly clock: () => number;
  readonly post: PostToGate;
  /** Any spelling of a resource in one form. */
  readonly canonical: (path: string) => string;
  /** What every subscription gets, in ms; undefined: what it asks for, within Graph's limits. */
  readonly lifeMs: number | undefined;
}): GraphSubscriptions {
  const all = new Map<string, GraphSubscription>();
  const living = (): GraphSubscription[] => [...all.values()].filter(({ expiresAt }) => expiresAt > clock());
  const find = (id: string): GraphSubscription | undefined => living().find((one) => one.id === id);

  const keep = (asked: GraphSubscription): GraphSubscription => {
    const given = lifeMs === undefined ? asked : { ...asked, expiresAt: clock() + lifeMs };
    all.set(given.id, given);
    return given;
  };

  return {
    list: living,
    get(id) {
      const found = find(id);
      return found === undefined ? graphError(404, 'ResourceNotFound') : { status: 200, body: viewOf(found) };
    },
    async create(body) {
      const wanted = read(body, clock());
      if (typeof wanted === 'string') return graphError(400, wanted);
      const isTwin = (one: GraphSubscription): boolean =>
        canonical(one.resource) === canonical(wanted.resource) && one.changeType === wanted.changeType;
      // Before the URLs are asked, and again after: two calls at once make one subscription.
      if (living().some(isTwin)) return graphError(409, 'ExtensionError: already exists for the requested combination');
      for (const url of [wanted.notificationUrl, wanted.lifecycleNotificationUrl]) {
        if (url !== undefined && !(await validateEndpoint(url, post))) return graphError(400, 'ValidationError');
      }
      if (living().some(isTwin)) return graphError(409, 'ExtensionError: already exists for the requested combination');
      return { status: 201, body: viewOf(keep(wanted)) };
    },
    prolong(id, { expirationDateTime }) {
      const found = find(id);
      if (found === undefined) return graphError(404, 'ResourceNotFound');
      const expiresAt = endOf(expirationDateTime, found.resource, found.encryption !== undefined, clock());
      if (expiresAt === null) return graphError(400, 'InvalidExpiration');
      return { status: 200, body: viewOf(keep({ ...found, expiresAt })) };
    },
    end(id) {
      if (find(id) === undefined) return graphError(404, 'ResourceNotFound');
      all.delete(id);
      return { status: 204 };
    },
  };
}

/** Null when it is beyond the limit or no time. */
function endOf(wanted: unknown, resource: string, isRich: boolean, now: number): number | null {
  const at = Date.parse(String(wanted));
  if (Number.isNaN(at) || at - now > longestMs(resource, isRich)) return null;
  return Math.max(at, now + SHORTEST_MS);
}

/** The subscription a body asks for, or Graph's word for what is wrong with it. */
function read(body: Readonly<Record<string, unknown>>, now: number): GraphSubscription | string {
  const { resource, changeType, notificationUrl, lifecycleNotificationUrl, clientState, includeResourceData } = body;
  if (typeof resource !== 'string' || typeof changeType !== 'string' || typeof notificationUrl !== 'string') {
    return 'InvalidRequest';
  }
  if (typeof clientState === 'string' && clientState.length > 128) return 'InvalidClientState';
  const isRich = includeResourceData === true;
  const expiresAt = endOf(body.expirationDateTime, resource, isRich, now);
  if (expiresAt === null) return 'InvalidExpiration';
  const isTeams = /^\/?(chats|teams)\b|\/chats\b/i.test(resource);
  if (isTeams && lifecycleNotificationUrl === undefined && expiresAt - now > 60 * MINUTE_MS) {
    return 'lifecycleNotificationUrl is a required property';
  }
  return {
    id: randomUUID(),
    resource,
    changeType: changeType.split(',').sort().join(),
    notificationUrl,
    lifecycleNotificationUrl: typeof lifecycleNotificationUrl === 'string' ? lifecycleNotificationUrl : undefined,
    clientState: typeof clientState === 'string' ? clientState : undefined,
    encryption: isRich
      ? { id: String(body.encryptionCertificateId), key: publicKeyOf(String(body.encryptionCertificate)) }
      : undefined,
    expiresAt,
  };
}

/** Neither the secret nor the certificate is ever shown again. */
const viewOf = ({
  id,
  resource,
  changeType,
  notificationUrl,
  lifecycleNotificationUrl,
  ...rest
}: GraphSubscription) => ({
  id,
  resource,
  changeType,
  clientState: null,
  notificationUrl,
  lifecycleNotificationUrl: lifecycleNotificationUrl ?? null,
  includeResourceData: rest.encryption !== undefined ? true : null,
  encryptionCertificateId: rest.encryption?.id ?? null,
  expirationDateTime: graphTime(rest.expiresAt),
});
