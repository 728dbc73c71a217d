import { randomUUID } from 'node:crypto';
import type { SigningKey } from '../keys/signing-key.ts';
import type { PostToGate } from './handshake.ts';
import type { StoredObject } from './objects.ts';
import { encryptGraphContent, type GraphItem, graphDelivery, graphItem, graphTime, signGraphToken } from './signer.ts';
import type { GraphSubscription } from './subscriptions.ts';

/** What becomes of one notification on its way. Nothing named: it arrives at once, once. */
export interface Disturbance {
  /** 0: it is lost, and nobody is told. */
  readonly copies?: number;
  readonly delayMs?: number;
}

export type Disturb = (item: GraphItem) => Disturbance;

/** One request that went out. */
export interface GraphPush {
  readonly url: string;
  readonly items: number;
  /** 0 where no answer came in time. */
  readonly status: number;
  readonly attempt: number;
}

export interface GraphPushes {
  /** Tells a subscription of an object's change; goes out with the next `deliver`. */
  change(subscription: GraphSubscription, object: StoredObject, changeType: 'created' | 'updated'): void;
  lifecycle(subscription: GraphSubscription, event: string): void;
  /** Sends what is due: notifications for one URL in one request, and again what was refused, for 4 hours. */
  deliver(): Promise<void>;
  /** Epoch ms at which something is due; undefined when nothing waits. */
  nextAt(): number | undefined;
  /** Everything sent, in order. */
  readonly sent: readonly GraphPush[];
}

interface Waiting {
  readonly url: string;
  readonly item: GraphItem;
  readonly token: boolean;
  readonly at: number;
  readonly attempt: number;
  readonly firstAt: number;
}

/** Graph gives up on an item after 4 hours, and waits 3 s for the first answer and 10 s for later ones. */
const GIVE_UP_MS = 4 * 3_600_000;
const FIRST_TIMEOUT_MS = 3_000;
const LATER_TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 10_000;
/** More than this in one request has not been seen. */
const BATCH = 100;

export function createGraphPushes(deps: {
  readonly clock: () => number;
  readonly post: PostToGate;
  readonly key: SigningKey;
  readonly tenantId: string;
  readonly clientId: string;
  readonly disturb: Disturb;
}): GraphPushes {
  const { clock, disturb } = deps;
  let waiting: Waiting[] = [];
  const sent: GraphPush[] = [];

  const enqueue = (url: string, item: GraphItem, token: boolean): void => {
    const { copies = 1, delayMs = 0 } = disturb(item);
    const at = clock() + delayMs;
    for (let copy = 0; copy < copies; copy += 1) waiting.push({ url, item, token, at, attempt: 1, firstAt: clock() });
  };

  const send = async (batch: readonly Waiting[]): Promise<void> => {
    const [first] = batch;
    if (first === undefined) return;
    const needsToken = batch.some(({ token }) => token);
    const tokens = needsToken ? [signGraphToken({ ...deps, at: clock() })] : undefined;
    const request = graphDelivery(
      batch.map(({ item }) => item),
      tokens,
    );
    const status = await post(first.url, request, first.attempt === 1 ? FIRST_TIMEOUT_MS : LATER_TIMEOUT_MS, deps.post);
    sent.push({ url: first.url, items: batch.length, status, attempt: first.attempt });
    if (status >= 200 && status < 300) return;
    for (const one of batch) {
      const at = clock() + FIRST_WAIT_MS * 2 ** Math.min(one.attempt - 1, 8);
      if (at - one.firstAt <= GIVE_UP_MS) waiting.push({ ...one, at, attempt: one.attempt + 1 });
    }
  };

  return {
    sent,
    change(subscription, object, changeType) {
      if (!subscription.changeType.split(',').includes(changeType)) return;
      const { id, notificationUrl, encryption } = subscription;
      const content = encryption && {
        encryptedContent: encryptGraphContent(object.body, encryption.key, encryption.id),
      };
      const item = graphItem({
        subscriptionId: id,
        tenantId: deps.tenantId,
        clientState: subscription.clientState ?? '',
        resource: object.resource,
        changeType,
        expiresAt: subscription.expiresAt,
        // Graph leaves it out of some.
        ...(sent.length % 2 > 0 && { id: randomUUID() }),
        ...content,
      });
      enqueue(notificationUrl, item, encryption !== undefined);
    },
    lifecycle({ id, lifecycleNotificationUrl, clientState, expiresAt }, lifecycleEvent) {
      if (lifecycleNotificationUrl === undefined) return;
      const item = {
        subscriptionId: id,
        subscriptionExpirationDateTime: graphTime(expiresAt),
        tenantId: deps.tenantId,
        clientState,
        lifecycleEvent,
      };
      enqueue(lifecycleNotificationUrl, item, false);
    },
    async deliver() {
      const due = waiting.filter(({ at }) => at <= clock());
      waiting = waiting.filter(({ at }) => at > clock());
      const byTarget = new Map<string, Waiting[]>();
      for (const one of due) {
        const target = `${one.attempt} ${one.url}`;
        byTarget.set(target, [...(byTarget.get(target) ?? []), one]);
      }
      for (const batch of byTarget.values()) {
        for (let at = 0; at < batch.length; at += BATCH) await send(batch.slice(at, at + BATCH));
      }
    },
    nextAt: () => (waiting.length === 0 ? undefined : Math.min(...waiting.map(({ at }) => at))),
  };
}

async function post(
  url: string,
  { method, headers, body }: ReturnType<typeof graphDelivery>,
  timeoutMs: number,
  to: PostToGate,
): Promise<number> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await to(url, { method, headers: { ...headers }, body: new Uint8Array(body), signal });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}
