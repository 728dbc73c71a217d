import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP hop between a client and a server on 127.0.0.1 that can misbehave like a network. */
export interface TcpProxy {
  readonly port: number;
  /** Swallows the next bytes the server sends after a request that contains `marker`, and cuts that connection. */
  swallowReplyTo(marker: string): void;
  /** How many replies were swallowed. */
  readonly swallowed: number;
  /** Cuts every connection that is open now. */
  cut(): void;
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let marker: string | null = null;
  let swallowed = 0;

  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1');
    let doomed = false;
    const drop = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', drop);
      socket.on('close', () => {
        sockets.delete(socket);
        drop();
      });
    }
    client.on('data', (bytes) => {
      if (marker !== null && bytes.includes(marker)) {
        doomed = true;
        marker = null;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (!doomed) {
        client.write(bytes);
        return;
      }
      swallowed += 1;
      drop();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    swallowReplyTo: (text) => {
      marker = text;
    },
    get swallowed() {
      return swallowed;
    },
    cut,
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
