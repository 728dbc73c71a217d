import type { IncomingMessage } from 'node:http';

/** Bounds what bodies of requests that have proved nothing yet take of the memory, by having them wait. */
export interface BodyPool {
  /**
   * Enters a body that is being read. `onCut` is called when it has to make room, which only a body does of which less than
   * `progress` bytes came within `STALLED_MS`.
   */
  enter(incoming: IncomingMessage, source: string, onCut: () => void): PooledBody;
}

export interface PooledBody {
  /** So many bytes more have come. Until there is room for more, the request is paused. */
  add(bytes: number): void;
  leave(): void;
}

export interface BodyPoolLimits {
  /** Bytes of all bodies. */
  readonly all: number;
  /** Bytes of the bodies of one source. */
  readonly ofSource: number;
  /** Bytes of the bodies of a source that keeps failing. */
  readonly ofFailing: number;
  /** A body of which no more bytes than this have come is small. */
  readonly small: number;
  /** Bytes beyond `all` that are set aside for small bodies: they need not wait until larger ones have ended. */
  readonly forSmall: number;
  /** A body of which fewer bytes come within `STALLED_MS` stands still. */
  readonly progress: number;
}

const MIB = 1024 * 1024;

/**
 * 8 MiB hold two bodies of the largest kind (Graph, 4 MiB) or 9,000 Slack messages. A source has half of it. One that keeps
 * failing has 256 KiB, more than any message of Slack has: its larger bodies come one after the other. 64 KiB are more than
 * almost every delivery has; 16 KiB/s are less than any sender's network.
 */
const defaultPoolLimits: BodyPoolLimits = {
  all: 8 * MIB,
  ofSource: 4 * MIB,
  ofFailing: MIB / 4,
  small: MIB / 16,
  forSmall: 2 * MIB,
  progress: 4 * 1024,
};

/** A body that stands still for so long, in ms, makes room for others. Honest senders send a body in one piece. */
const STALLED_MS = 250;

interface Body {
  readonly incoming: IncomingMessage;
  readonly source: string;
  readonly onCut: () => void;
  bytes: number;
  isPaused: boolean;
  /** When it last made progress, by the process's clock. */
  movedAt: number;
  /** Its bytes then. */
  movedTo: number;
}

/** `isShared`: the address stands for many senders, who have no share of their own. `isFailing`: it is over its limit. */
export function createBodyPool({
  isShared,
  isFailing,
  limits = defaultPoolLimits,
}: {
  readonly isShared: (source: string) => boolean;
  readonly isFailing: (source: string) => boolean;
  readonly limits?: BodyPoolLimits;
}): BodyPool {
  /** In the order in which they began. */
  const bodies = new Set<Body>();
  const held = new Map<string, number>();
  let all = 0;
  let looking: ReturnType<typeof setInterval> | undefined;

  const shareOf = (source: string): number => {
    if (isShared(source)) return Number.POSITIVE_INFINITY;
    return isFailing(source) ? limits.ofFailing : limits.ofSource;
  };
  const isOver = ({ source, bytes }: Body): boolean =>
    all > limits.all + (bytes <= limits.small ? limits.forSmall : 0) || (held.get(source) ?? 0) > shareOf(source);

  function change(body: Body, bytes: number): void {
    body.bytes += bytes;
    all += bytes;
    const left = (held.get(body.source) ?? 0) + bytes;
    if (left > 0) held.set(body.source, left);
    else held.delete(body.source);
  }

  /** Cuts what has stood still, the longest first, until there is room for the body's next bytes. */
  function makeRoom(needy: Body): void {
    const isTight = (): boolean => all > limits.all;
    const since = performance.now() - STALLED_MS;
    const stalled = [...bodies]
      .filter((body) => !body.isPaused && body.bytes > 0 && body.movedAt < since)
      .filter((body) => isTight() || body.source === needy.source)
      .sort((a, b) => a.movedAt - b.movedAt);
    for (const body of stalled) {
      if (!isOver(needy)) return;
      leave(body);
      body.onCut();
    }
  }

  /** Whether it began before all others that could wait for the same room: it goes on, so that one always does. */
  function isEldest(body: Body): boolean {
    for (const other of bodies) {
      if (other === body) return true;
      if (other.bytes > 0 && (all > limits.all || other.source === body.source)) return false;
    }
    return true;
  }

  function resume(): void {
    /** Sources for whose bodies nothing more can be cut. */
    const waiting = new Set<string>();
    for (const body of bodies) {
      if (!body.isPaused) continue;
      if (isOver(body) && !waiting.has(body.source)) makeRoom(body);
      if (isOver(body)) waiting.add(body.source);
      if (isOver(body) && !isEldest(body)) continue;
      body.isPaused = false;
      body.movedAt = performance.now();
      body.incoming.resume();
    }
    if (looking !== undefined && ![...bodies].some(({ isPaused }) => isPaused)) {
      clearInterval(looking);
      looking = undefined;
    }
  }

  function leave(body: Body): void {
    if (!bodies.delete(body)) return;
    change(body, -body.bytes);
    if (looking !== undefined) setImmediate(resume);
  }

  return {
    enter(incoming, source, onCut) {
      const now = performance.now();
      const body: Body = { incoming, source, onCut, bytes: 0, isPaused: false, movedAt: now, movedTo: 0 };
      bodies.add(body);
      return {
        add(bytes) {
          if (!bodies.has(body)) return;
          change(body, bytes);
          if (body.bytes - body.movedTo >= limits.progress) {
            body.movedAt = performance.now();
            body.movedTo = body.bytes;
          }
          if (!isOver(body)) return;
          makeRoom(body);
          if (!isOver(body) || isEldest(body)) return;
          body.isPaused = true;
          incoming.pause();
          // Others may stand still by then.
          looking ??= setInterval(resume, STALLED_MS).unref();
        },
        leave: () => leave(body),
      };
    },
  };
}
