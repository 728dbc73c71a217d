import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';

/** What one hostile client does all at once, until it is stopped. Rates are requests a second. */
export interface Hostility {
  /** Batches of Graph without an item. */
  readonly emptyBatches: number;
  /** 4 MiB of nested JSON, to Graph's hook. */
  readonly nestedBodies: number;
  /** Bodies of 4 MiB that stand still before their last byte. */
  readonly stalledBodies: number;
  readonly idleConnections: number;
  /** Slack posts with a wrong signature. */
  readonly forgedPosts: number;
}

export const FULL_HOSTILITY: Hostility = {
  emptyBatches: 50,
  nestedBodies: 4,
  stalledBodies: 60,
  idleConnections: 3_000,
  forgedPosts: 1_000,
};

/** As an untrusted proxy in front of everybody writes it. */
const FORWARDED = 'x-forwarded-for: 203.0.113.66\r\n';

const MIB = 1024 * 1024;
const NESTED = Buffer.from(`{"value":${'['.repeat(2 * MIB - 64)}${']'.repeat(2 * MIB - 64)}}`);
/** Of a body of 4 MiB all but the end. */
const STALLED = Buffer.alloc(4 * MIB - 16, ' ');

const head = (path: string, length: number, more = ''): string =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n${FORWARDED}${more}\r\n`;

export interface HostileClient {
  /** Ends everything; resolves with how often each status was answered. */
  stop(): Promise<Readonly<Record<string, number>>>;
}

/** Attacks a gate on loopback. */
export function attack(port: number, plan: Hostility): HostileClient {
  const sockets = new Set<Socket>();
  const timers: ReturnType<typeof setInterval>[] = [];
  const statuses: Record<string, number> = {};
  let isOver = false;

  /** A connection whose answers are counted; `onEnd` is told some time after it has ended, if the attack goes on. */
  function open(onEnd: () => void, pauseMs = 100): Socket {
    const socket = connect(port, '127.0.0.1');
    sockets.add(socket);
    socket.on('data', (chunk) => {
      for (const [, status = ''] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      if (!isOver) setTimeout(onEnd, pauseMs);
    });
    return socket;
  }

  /** So many requests a second, spread over some connections. */
  function repeat(perSecond: number, connections: number, request: () => string | Buffer): void {
    if (perSecond === 0) return;
    const lines: Socket[] = [];
    const renew = (at: number): void => {
      lines[at] = open(() => renew(at));
    };
    for (let at = 0; at < connections; at += 1) renew(at);
    const startedAt = performance.now();
    let sent = 0;
    const send = (): void => {
      const due = ((performance.now() - startedAt) / 1_000) * perSecond;
      for (; sent < due; sent += 1) {
        const line = lines[sent % connections];
        // What the gate does not read is not piled up here.
        if (line !== undefined && line.writableLength < 8 * MIB) line.write(request());
      }
    };
    timers.push(setInterval(send, 10));
  }

  const idle = (): void => void open(idle);
  for (let n = 0; n < plan.idleConnections; n += 1) idle();
  const stall = (): void => {
    // As often as the gate would end it for being late.
    const socket = open(stall, 10_000);
    socket.write(head('/hooks/graph/default', 4 * MIB - 8));
    socket.write(STALLED);
  };
  for (let n = 0; n < plan.stalledBodies; n += 1) stall();
  const empty = '{"value":[]}';
  repeat(plan.emptyBatches, 4, () => head('/hooks/graph/default', empty.length) + empty);
  const nestedHead = Buffer.from(head('/hooks/graph/default', NESTED.length));
  repeat(plan.nestedBodies, 4, () => Buffer.concat([nestedHead, NESTED]));
  const body = slackJson(slackMessage({ text: 'forged', channel: 'D0', at: Date.now() }));
  const forged = signSlackRequest(body, { signingSecret: randomUUID(), at: Date.now() });
  const signed = ['x-slack-request-timestamp', 'x-slack-signature'].map(
    (name) => `${name}: ${forged.headers[name]}\r\n`,
  );
  const post = Buffer.concat([
    Buffer.from(head('/hooks/slack/default', forged.body.length, signed.join(''))),
    Buffer.from(forged.body),
  ]);
  repeat(plan.forgedPosts, 20, () => post);

  return {
    async stop() {
      isOver = true;
      for (const timer of timers) clearInterval(timer);
      const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
      return statuses;
    },
  };
}
