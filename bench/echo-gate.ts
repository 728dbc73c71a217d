import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where replies go. */
export interface Posts {
  /** As `SLACK_API_URL`. */
  readonly url: string;
  stop(): void;
}

/** Takes what `chat.postMessage` is sent and tells its text; no more, because it shares the cores with what is measured. */
export async function startPosts(onPost: (text: string) => void): Promise<Posts> {
  let posts = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const options = new URLSearchParams(Buffer.concat(chunks).toString());
      const text = options.get('text');
      if (text !== null) {
        posts += 1;
        onPost(text);
      }
      const ts = `1700000000.${String(posts).padStart(6, '0')}`;
      const body = {
        ok: true,
        channel: options.get('channel'),
        ts,
        message: { ts },
        user_id: 'U0BOT',
        bot_id: 'B0BOT',
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`;
  return { url, stop: () => void server.close() };
}

/** The environment of a gate on Redis whose echo agent answers in Slack. */
export const echoSettings = (redisUrl: string, slackUrl: string, signingSecret: string): Record<string, string> => ({
  SALLYPORT_REDIS_URL: redisUrl,
  SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
  SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
  SALLYPORT_AGENT: 'echo',
  SLACK_SIGNING_SECRET: signingSecret,
  SLACK_BOT_TOKEN: 'xoxb-local-token-for-bench',
  SLACK_API_URL: slackUrl,
});
