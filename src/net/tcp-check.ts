import { connect } from 'node:net';

/**
 * Resolves once a connection to `host:port` has been made, and ends it.
 * @throws Error that names neither
 */
export function canConnect(address: string, signal: AbortSignal): Promise<void> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(address.slice(colon + 1)) });
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      settle();
    };
    const refuse = (): void => end(() => reject(new Error('no connection')));
    const abort = (): void => refuse();
    signal.addEventListener('abort', abort);
    socket.once('connect', () => end(resolve)).once('error', refuse);
  });
}
