import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP hop between a client and a server on 127.0.0.1 that can misbehave like a network. */
export interface TcpProxy {
  readonly port: number;
  /** Swallows the next bytes the server sends after a request that contains `marker`, and cuts that connection. */
  swallowReplyTo(marker: string): void;
  /**
   * From now on a connection on which the server receives `marker` brings no more replies and stays open. Others work.
   */
  silenceAfter(marker: string): void;
  /** How many connections were silenced. */
  readonly silenced: number;
  /** How many replies were swallowed. */
  readonly swallowed: number;
  /** Cuts every connection that is open now. */
  cut(): void;
  /**
   * Every connection that is open now stays open and carries nothing any more, as when a firewall or a NAT has forgotten
   * it: no byte, no FIN, no RST. New connections work. Returns how many are held.
   */
  hold(): number;
  /** How many of the held connections their clients have not ended. */
  readonly held: number;
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const held = new WeakSet<Socket>();
  const heldClients = new Set<Socket>();
  const clients = new Set<Socket>();
  let marker: string | null = null;
  let swallowed = 0;
  let silencer: string | null = null;
  let silenced = 0;

  // Half-open, so that a held connection does not even answer the end of its other side.
  const allowHalfOpen = true;
  const server = createServer({ allowHalfOpen }, (client) => {
    const upstream = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen });
    let doomed = false;
    clients.add(client);
    for (const end of ['end', 'close']) {
      client.on(end, () => {
        clients.delete(client);
        heldClients.delete(client);
      });
    }
    const drop = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      const leave = (): void => {
        if (!held.has(socket)) drop();
      };
      socket.on('error', leave).on('end', leave).on('close', leave);
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('data', (bytes) => {
      if (held.has(client)) return;
      if (marker !== null && bytes.includes(marker)) {
        doomed = true;
        marker = null;
      }
      upstream.write(bytes);
      if (silencer !== null && bytes.includes(silencer)) {
        silenced += 1;
        held.add(upstream);
      }
    });
    upstream.on('data', (bytes) => {
      if (held.has(upstream)) return;
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
    silenceAfter: (text) => {
      silencer = text;
    },
    get silenced() {
      return silenced;
    },
    get swallowed() {
      return swallowed;
    },
    cut,
    hold: () => {
      for (const socket of sockets) held.add(socket);
      for (const client of clients) heldClients.add(client);
      return heldClients.size;
    },
    get held() {
      return heldClients.size;
    },
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
