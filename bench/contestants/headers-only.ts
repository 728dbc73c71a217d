import { createServer } from 'node:http';

/**
 * A control for `bench/hostile.ts`: it decides by the headers alone, reads no body and stores nothing. What honest deliveries
 * take beside a hostile client here is what the machine and the load generators take.
 */
createServer((incoming, outgoing) => {
  if (incoming.headers['x-forwarded-for'] === '198.51.100.7') outgoing.writeHead(200).end();
  else outgoing.writeHead(401, incoming.complete ? {} : { connection: 'close' }).end();
}).listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096 });
process.once('SIGTERM', () => process.exit(0));
