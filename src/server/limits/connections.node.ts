import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../../core/logger.ts';
import { createPeerReader } from './source-keys.ts';

/** Bounds how many connections are open. One that is idle makes room for a new one; only busy ones cannot. */
export interface Connections {
  opened(socket: Socket): void;
  /** A request came over a connection that was opened before. */
  requested(incoming: IncomingMessage, outgoing: ServerResponse): void;
}

/** A connection and what it does. `idleSince`: by the process's clock; null while an answer is on its way. */
interface Open {
  readonly socket: Socket;
  readonly key: string;
  idleSince: number | null;
  /** Whether a request ever came. */
  isUsed: boolean;
  isForwarding: boolean;
  answers: number;
}

/** A request over TLS comes from another socket than the connection it is in; the peer's address and port are the same. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** Between two lines of the log about connections that were refused, in ms. */
const QUIET_MS = 60_000;

export function createConnections({
  most,
  mostOfSource,
  isExempt,
  onForwarded,
  logger,
}: {
  readonly most: number;
  readonly mostOfSource: number;
  /** Whether an address stands for many senders (proxies, trusted or not), which have all of `most`. */
  readonly isExempt: (address: string) => boolean;
  /** Called with the first request of each connection that carries `X-Forwarded-For`. */
  readonly onForwarded: (incoming: IncomingMessage) => void;
  readonly logger: Logger;
}): Connections {
  const all = new Map<string, Open>();
  const bySource = new Map<string, Set<Open>>();
  const read = createPeerReader();
  let count = 0;
  let quietUntil = 0;

  /** One that never carried a request goes first, the eldest of them; then the one that has been idle for longest. */
  function makeRoom(among: Iterable<Open>): boolean {
    let found: Open | undefined;
    for (const open of among) {
      if (open.idleSince === null) continue;
      const isBetter =
        found === undefined || (open.isUsed === found.isUsed ? open.idleSince < (found.idleSince ?? 0) : !open.isUsed);
      if (isBetter) found = open;
    }
    if (found === undefined) return false;
    forget(nameOf(found.socket));
    found.socket.destroy();
    return true;
  }

  function forget(name: string): void {
    const open = all.get(name);
    if (open === undefined || !all.delete(name)) return;
    const own = bySource.get(open.key);
    own?.delete(open);
    if (own?.size === 0) bySource.delete(open.key);
  }

  /** In a flood one line a minute is enough. */
  function refused(source: string): void {
    count += 1;
    const now = performance.now();
    if (now < quietUntil) return;
    logger.warn({ source, count, open: all.size }, 'connection.refused');
    quietUntil = now + QUIET_MS;
    count = 0;
  }

  return {
    opened(socket) {
      const {
        address,
        keys: [key],
      } = read(socket.remoteAddress ?? '');
      const own = bySource.get(key) ?? new Set();
      const isFull =
        (own.size >= mostOfSource && !isExempt(address) && !makeRoom(own)) ||
        (all.size >= most && !makeRoom(all.values()));
      if (isFull) {
        refused(address);
        socket.destroy();
        return;
      }
      const open: Open = { socket, key, idleSince: performance.now(), isUsed: false, isForwarding: false, answers: 0 };
      const name = nameOf(socket);
      all.set(name, open);
      own.add(open);
      bySource.set(key, own);
      socket.once('close', () => {
        // Its port may belong to another connection by now.
        if (all.get(name) === open) forget(name);
      });
    },
    requested(incoming, outgoing) {
      const open = all.get(nameOf(incoming.socket));
      if (open === undefined) return;
      if (!open.isForwarding && incoming.headers['x-forwarded-for'] !== undefined) {
        open.isForwarding = true;
        onForwarded(incoming);
      }
      open.isUsed = true;
      open.answers += 1;
      open.idleSince = null;
      outgoing.once('close', () => {
        open.answers -= 1;
        if (open.answers === 0) open.idleSince = performance.now();
      });
    },
  };
}
