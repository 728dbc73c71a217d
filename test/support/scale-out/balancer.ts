import { Agent, request } from 'undici';
import { sleep } from '../campaign.ts';

/** What came back for one delivery. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** A sender's way to several ingresses, as a load balancer with health checks chooses it. */
export interface Balancer {
  /** @throws Error when the connection broke, or no answer came in time. */
  post(path: string, headers: Record<string, string>, body: Buffer): Promise<Answer>;
  /** Connections that a process refused, which had the delivery go to another one. */
  readonly passedOn: number;
  close(): Promise<void>;
}

/** Between two health checks (ms): those of common load balancers are seconds apart, which only means more refusals. */
const CHECK_EVERY_MS = 500;
/** Slack hangs up after 3 s. */
const ANSWER_MS = 3_000;

/**
 * Deliveries go in turn to the processes that were ready at the last check, and then to the others: a load balancer that
 * knows no healthy target had better ask an unhealthy one. A process that refuses the connection has not seen the
 * delivery, so it goes on to the next; everything else is the sender's to retry.
 */
export function createBalancer(targets: readonly { readonly url: string }[]): Balancer {
  const dispatcher = new Agent({ connections: 32, pipelining: 1, keepAliveTimeout: 60_000 });
  const checks = new Agent({ pipelining: 0 });
  const ready = new Set(targets);
  let turn = 0;
  let passedOn = 0;
  let isClosed = false;

  const check = async (target: { readonly url: string }): Promise<void> => {
    const isReady = await request(`${target.url}/ready`, { dispatcher: checks, headersTimeout: 2_000 }).then(
      async ({ statusCode, body }) => {
        await body.dump();
        return statusCode === 200;
      },
      () => false,
    );
    if (isReady) ready.add(target);
    else ready.delete(target);
  };
  const checking = Promise.all(
    targets.map(async (target) => {
      while (!isClosed) {
        await check(target);
        await sleep(CHECK_EVERY_MS);
      }
    }),
  );

  return {
    get passedOn() {
      return passedOn;
    },
    async post(path, headers, body) {
      turn += 1;
      const inTurn = targets.map((_, n) => targets[(turn + n) % targets.length] ?? { url: '' });
      // A process that came back since its last check is better than none.
      const usable = [...inTurn.filter((one) => ready.has(one)), ...inTurn.filter((one) => !ready.has(one))];
      for (const [n, { url }] of usable.entries()) {
        try {
          const options = { method: 'POST', headers, body, dispatcher, headersTimeout: ANSWER_MS } as const;
          const answer = await request(`${url}${path}`, options);
          await answer.body.dump();
          return { status: answer.statusCode, headers: answer.headers };
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED' || n + 1 >= usable.length) throw error;
          passedOn += 1;
        }
      }
      throw new Error('there is no process to send to');
    },
    async close() {
      isClosed = true;
      await checking;
      await Promise.all([dispatcher.destroy(), checks.destroy()]);
    },
  };
}
