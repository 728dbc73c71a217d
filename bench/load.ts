import { createHmac, randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** A load of pre-signed, unique Slack events over keep-alive connections. */

export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  readonly secret: string;
  readonly connections: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Requests made beforehand; the load ends early when they run out. */
  readonly requests: number;
  /** Makes another request than a Slack event. */
  readonly prepare?: (index: number) => Buffer;
}

export interface LoadResult {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly answered: number;
  /** Answers of the warm-up included. */
  readonly total: number;
  readonly failed: number;
  /** When the measured part began and ended, in epoch ms. */
  readonly from: number;
  readonly to: number;
}

/** About 730 bytes, as a message event of a small workspace is. */
export function slackEvent(index: number, team: number): string {
  const ts = `${1_700_000_000 + Math.floor(index / 1_000_000)}.${String(index % 1_000_000).padStart(6, '0')}`;
  return JSON.stringify({
    token: 'XXYYZZ',
    team_id: `T0000000${team}`,
    api_app_id: 'A00000001',
    event: {
      client_msg_id: randomUUID(),
      type: 'message',
      text: `please summarise what happened in this channel since yesterday, number ${index}`,
      user: `U0000${String(index % 997).padStart(4, '0')}`,
      ts,
      team: `T0000000${team}`,
      blocks: [{ type: 'rich_text', block_id: 'b1', elements: [{ type: 'rich_text_section', elements: [] }] }],
      channel: `C0000${String(index % 499).padStart(4, '0')}`,
      event_ts: ts,
      channel_type: 'channel',
    },
    type: 'event_callback',
    event_id: `Ev${String(index).padStart(10, '0')}`,
    event_time: 1_700_000_000,
    authorizations: [{ enterprise_id: null, team_id: `T0000000${team}`, user_id: 'U0BOT00001', is_bot: true }],
    is_ext_shared_channel: false,
    event_context: '4-eyJldCI6Im1lc3NhZ2UifQ',
  });
}

export function signedRequest(path: string, secret: string, body: string): Buffer {
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex');
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nx-slack-request-timestamp: ${timestamp}\r\n` +
      `x-slack-signature: v0=${signature}\r\nuser-agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n\r\n${body}`,
  );
}

/** The same for a client that writes the head itself. */
export function signedRequestParts(secret: string, body: string) {
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex');
  const headers = {
    'content-type': 'application/json',
    'x-slack-request-timestamp': String(timestamp),
    'x-slack-signature': `v0=${signature}`,
  };
  return { headers, body };
}

/** Runs one load to its end. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const offset = Math.floor(Math.random() * 1e9);
  const { prepare = (i) => signedRequest(options.path, options.secret, slackEvent(offset + i, i % 8)) } = options;
  const requests = Array.from({ length: options.requests }, (_, i) => prepare(i));
  const state = { next: 0, failed: 0, latencies: [] as number[], isOver: false, from: 0, to: 0 };
  const startedAt = performance.now();
  const measuredFrom = startedAt + options.warmupMs;
  const endsAt = measuredFrom + options.measureMs;
  state.from = Date.now() + options.warmupMs;
  await Promise.all(
    Array.from({ length: options.connections }, () =>
      drive(options.port, (now) => (now >= endsAt ? null : (requests[state.next++] ?? null)), {
        onAnswer(ok, sentAt, now) {
          if (!ok) state.failed += 1;
          if (sentAt >= measuredFrom) state.latencies.push(now - sentAt);
        },
      }),
    ),
  );
  state.to = Date.now();
  const sorted = state.latencies.sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const seconds = (Math.min(performance.now(), endsAt) - measuredFrom) / 1000;
  return {
    perSecond: sorted.length / seconds,
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
    answered: sorted.length,
    total: state.next,
    failed: state.failed,
    from: state.from,
    to: state.to,
  };
}

interface Driver {
  onAnswer(ok: boolean, sentAt: number, now: number): void;
}

/** One connection, one request at a time. Answers are recognised by their head; bodies are small and come with it. */
function drive(port: number, take: (now: number) => Buffer | null, driver: Driver): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    let sentAt = 0;
    let pending = '';
    const send = (): void => {
      const now = performance.now();
      const request = take(now);
      if (request === null) {
        socket.end();
        resolve();
        return;
      }
      sentAt = now;
      socket.write(request);
    };
    socket.on('connect', send);
    socket.on('data', (chunk) => {
      pending += chunk.toString('latin1');
      const head = pending.indexOf('\r\n\r\n');
      if (head === -1) return;
      const length = Number(/content-length: (\d+)/i.exec(pending.slice(0, head))?.[1] ?? 0);
      const isChunked = /transfer-encoding: chunked/i.test(pending.slice(0, head));
      if (isChunked ? !pending.endsWith('0\r\n\r\n') : pending.length < head + 4 + length) return;
      const ok = /^HTTP\/1\.1 2/.test(pending);
      pending = '';
      driver.onAnswer(ok, sentAt, performance.now());
      send();
    });
    socket.on('error', reject);
  });
}
