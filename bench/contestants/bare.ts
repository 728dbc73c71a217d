import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

// (a) The least anybody could do: check the signature, answer 200. `ENQUEUE_TO` makes it (b): plus one BullMQ add.
const secret = process.env.SLACK_SIGNING_SECRET ?? '';
const redisUrl = process.env.ENQUEUE_TO;
const enqueue = redisUrl === undefined ? null : await (await import('./enqueue.ts')).createEnqueue(redisUrl);

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', async () => {
    const body = Buffer.concat(chunks);
    const timestamp = String(request.headers['x-slack-request-timestamp']);
    const expected = createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest();
    const given = Buffer.from(String(request.headers['x-slack-signature']).slice(3), 'hex');
    if (given.length !== 32 || !timingSafeEqual(given, expected)) {
      response.writeHead(401).end();
      return;
    }
    await enqueue?.(body);
    response.writeHead(200).end();
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
