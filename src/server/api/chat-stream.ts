import type { CallerView } from '../../channels/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { codeOf, type ErrorCode, SallyportError } from '../../core/errors.ts';
import type { EventRecord, EventState } from '../../core/event.ts';

/** Between two looks at an event, in ms: from the first after a change to the longest. The caller's token is checked with each. */
const LOOKS_MS = { first: 50, longest: 450, factor: 1.5 } as const;
/** Between two comments, in ms: proxies cut what says nothing for 60 s, some for 30 s. */
const HEARTBEAT_MS = 15_000;
/** What a browser waits before it connects again, in ms. */
const RETRY_MS = 2_000;
/** Unread bytes at which the stream is closed: a whole reply and some states. */
const MAX_UNREAD_BYTES = 256 * 1024;

/** Streams that one process has open at once; each looks at its event two to three times a second. */
const MAX_STREAMS = 500;
/** Of one subject. A browser opens six connections to a host at most (HTTP/1.1). */
const MAX_STREAMS_OF_SUBJECT = 10;

/** States after which nothing comes by itself. A reply that waits for a person does come, once they have decided. */
const ended: ReadonlySet<EventState> = new Set(['done', 'ignored', 'conflict', 'expired', 'parked']);

export interface Watched {
  /** Whose streams are counted together. */
  readonly owner: string;
  /** The event and what its caller sees of it. @throws SallyportError ERR_NOT_FOUND, ERR_STORE_UNAVAILABLE */
  readonly look: () => Promise<{ readonly record: EventRecord; readonly view: CallerView }>;
  /** @throws SallyportError once the caller may no longer see it, or when that cannot be said */
  readonly recheck: () => Promise<void>;
  /** `Last-Event-ID` of a client that connects again. */
  readonly lastEventId: string | undefined;
}

/**
 * Answers a caller who wants to be told of an event's states: server-sent events `state` and, as the last one, `end`, both
 * with what `GET /chat/{event}` shows; or `close` with a code, when something else ends the stream. States that lasted for
 * less than half a second may be missing; the last one never is. A client that was told of the end already gets 204, which
 * keeps it from connecting again.
 * @throws SallyportError ERR_RATE_LIMITED with too many streams, or as `look`
 */
export type OpenChatStream = (watched: Watched) => Promise<Response>;

export function createChatStreams({
  isDraining,
  clock,
}: {
  readonly isDraining: () => boolean;
  readonly clock: Clock;
}): OpenChatStream {
  const open = new Map<string, number>();
  let total = 0;

  function enter(owner: string): () => void {
    const own = open.get(owner) ?? 0;
    if (own >= MAX_STREAMS_OF_SUBJECT || total >= MAX_STREAMS) {
      throw new SallyportError('ERR_RATE_LIMITED', 'too many event streams are open');
    }
    open.set(owner, own + 1);
    total += 1;
    return () => {
      const left = (open.get(owner) ?? 1) - 1;
      if (left === 0) open.delete(owner);
      else open.set(owner, left);
      total -= 1;
    };
  }

  return async (watched) => {
    const first = await watched.look();
    if (ended.has(first.record.state) && watched.lastEventId === idOf(first.record)) {
      return new Response(null, { status: 204 });
    }
    const leave = enter(watched.owner);
    const client = new AbortController();
    const body = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          void tell(watched, first, { send: sender(controller, client), isDraining, clock, signal: client.signal })
            .catch(() => {})
            .finally(() => {
              leave();
              if (!client.signal.aborted) controller.close();
            });
        },
        cancel: () => client.abort(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MAX_UNREAD_BYTES }),
    );
    const headers = {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // nginx would keep the events until a buffer is full.
      'x-accel-buffering': 'no',
    };
    return new Response(body, { headers });
  };
}

const encoder = new TextEncoder();

function sender(controller: ReadableStreamDefaultController<Uint8Array>, client: AbortController) {
  return (text: string): void => {
    if (client.signal.aborted) return;
    controller.enqueue(encoder.encode(text));
    if ((controller.desiredSize ?? 1) > 0) return;
    client.abort();
    controller.error(new SallyportError('ERR_BODY_TIMEOUT', 'the stream is not read'));
  };
}

/** Sends what happens to an event until it has ended, or the stream has to. Never throws. */
async function tell(
  { look, recheck, lastEventId }: Watched,
  first: Awaited<ReturnType<Watched['look']>>,
  {
    send,
    isDraining,
    clock,
    signal,
  }: {
    readonly send: (text: string) => void;
    readonly isDraining: () => boolean;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  send(`retry: ${RETRY_MS}\n\n`);
  let told = lastEventId;
  let saidAt = clock();
  let seen = first;
  for (let pauseMs: number = LOOKS_MS.first; !signal.aborted; ) {
    const id = idOf(seen.record);
    const isLast = ended.has(seen.record.state);
    if (id !== told || isLast) {
      send(message(isLast ? 'end' : 'state', seen.view, id));
      told = id;
      saidAt = clock();
      pauseMs = LOOKS_MS.first;
    }
    if (isLast) return;
    if (clock() - saidAt >= HEARTBEAT_MS) {
      send(': still here\n\n');
      saidAt = clock();
    }
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * LOOKS_MS.factor, LOOKS_MS.longest);
    try {
      if (isDraining()) throw new SallyportError('ERR_SHUTTING_DOWN', 'the process is stopping');
      await recheck();
      seen = await look();
    } catch (error) {
      // Without an id: a client that connects again is told of everything after what it has seen.
      send(message('close', { code: codeOf(error) }));
      return;
    }
  }
}

/** The same as long as nothing has changed that the caller could see. */
const idOf = ({ generation, runs, state }: EventRecord): string => `${generation}.${runs.length}.${state}`;

/** JSON has no line breaks of its own, so it is one line of `data`. */
const message = (event: string, data: CallerView | { readonly code: ErrorCode }, id?: string): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
