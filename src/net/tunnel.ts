import { type ClientRequest, request as overTcp } from 'node:http';
import { request as overTls } from 'node:https';
import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { failed, type OutboundReason } from './guard/reasons.ts';

type Connector = buildConnector.connector;

/**
 * Opens sockets through a proxy: it is asked by CONNECT (RFC 9110, 9.3.6) for a tunnel to the host and port of `origin`,
 * and TLS runs through it from end to end, checked for the name of `origin`, so that the proxy sees no more than that
 * name. `connector` takes the last step.
 * @param proxyUrl http(s), with credentials for Basic authentication where the proxy wants them
 * @param timeoutMs for the tunnel, in ms
 */
export function tunnelled(proxyUrl: string, origin: string, connector: Connector, timeoutMs: number): Connector {
  const proxy = new URL(proxyUrl);
  const { protocol, hostname, port } = new URL(origin);
  const authority = `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const options = {
    method: 'CONNECT',
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    path: authority,
    headers: {
      host: authority,
      ...(credentials !== ':' && { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
    },
    agent: false,
  };
  const ask = (): ClientRequest =>
    proxy.protocol === 'https:'
      ? overTls({ ...options, rejectUnauthorized: true, minVersion: 'TLSv1.2' })
      : overTcp(options);
  return (given, callback) => {
    const asking = ask();
    const refuse = (reason: OutboundReason): void => {
      clearTimeout(timer);
      asking
        .removeAllListeners()
        .on('error', () => undefined)
        .destroy();
      callback(failed(reason), null);
    };
    const timer = setTimeout(refuse, timeoutMs, 'proxy-unreachable');
    const refuseFor = (status: number | undefined): void =>
      refuse(status === 407 ? 'proxy-unauthorized' : 'proxy-refused');
    asking
      .once('connect', ({ statusCode }, socket, head) => {
        socket.on('error', () => undefined);
        // Nobody speaks before the client does: bytes that are there already are not the host's.
        if (statusCode === undefined || statusCode > 299 || head.length > 0) {
          socket.destroy();
          refuseFor(statusCode);
          return;
        }
        clearTimeout(timer);
        if (protocol === 'https:') connector({ ...given, httpSocket: socket as Socket }, callback);
        else callback(null, socket as Socket);
      })
      // What does not know CONNECT answers as it would answer anything.
      .once('response', ({ statusCode }) => refuseFor(statusCode))
      .once('error', () => refuse('proxy-unreachable'))
      .end();
  };
}
