import type { IncomingMessage } from 'node:http';

/** Bounds what bodies of requests that have proved nothing yet take of the memory, by having them wait. */
export interface BodyPool {
  /**
   * Enters a body that is being read. `onCut` is called when it has to make room, which only a body does that has stood
   * still for `STALLED_MS`.
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
}

const MIB = 1024 * 1024;

/**
 * 16 MiB hold four bodies of the largest kind (Graph, 4 MiB) or 18,000 Slack messages. A source has a quarter of it. One that
 * keeps failing has 256 KiB, more than any message of Slack has: its larger bodies come one after the other.
 */
const defaultPoolLimits: BodyPoolLimits = { all: 16 * MIB, ofSource: 4 * MIB, ofFailing: MIB / 4 };

/** A body of which nothing came for so long, in ms, makes room for others. Honest senders send a body in one piece. */
const STALLED_MS = 250;

interface Body {
  readonly incoming: IncomingMessage;
  readonly source: string;
  readonly onCut: () => void;
  bytes: number;
  isPaused: boolean;
  /** By the process's clock, when its last bytes came. */
  heardAt: number;
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
    if (isShared(source)) return limits.all;
    return isFailing(source) ? limits.ofFailing : limits.ofSource;
  };
  const isOver = (source: string): boolean => all > limits.all || (held.get(source) ?? 0) > shareOf(source);

  function change(body: Body, bytes: number): void {
    body.bytes += bytes;
    all += bytes;
    const left = (held.get(body.source) ?? 0) + bytes;
    if (left > 0) held.set(body.source, left);
    else held.delete(body.source);
  }

  /** Cuts what has stood still, the longest first, until there is room for the source's next bytes. */
  function makeRoom(source: string): void {
    const isTight = (): boolean => all > limits.all;
    const since = performance.now() - STALLED_MS;
    const stalled = [...bodies]
      .filter((body) => !body.isPaused && body.bytes > 0 && body.heardAt < since)
      .filter((body) => isTight() || body.source === source)
      .sort((a, b) => a.heardAt - b.heardAt);
    for (const body of stalled) {
      if (!isOver(source)) return;
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
    for (const body of bodies) {
      if (!body.isPaused) continue;
      makeRoom(body.source);
      if (isOver(body.source) && !isEldest(body)) continue;
      body.isPaused = false;
      body.heardAt = performance.now();
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
      const body: Body = { incoming, source, onCut, bytes: 0, isPaused: false, heardAt: performance.now() };
      bodies.add(body);
      return {
        add(bytes) {
          if (!bodies.has(body)) return;
          body.heardAt = performance.now();
          change(body, bytes);
          if (!isOver(source)) return;
          makeRoom(source);
          if (!isOver(source) || isEldest(body)) return;
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
