import { readdirSync, readFileSync } from 'node:fs';
import { Miniflare } from 'miniflare';
import { signSlackRequest, slackJson, slackMessage } from '../src/testing/index.ts';
import { median } from './median.ts';

// Processor time of the edge on the Workers runtime: of the first request to a fresh isolate, of the next ones, and of an
// accepted Slack event with all its object does before the origin is asked. `npx tsx bench/edge.ts`; `npm run build` first.

const EVENTS = 500;
const ROUNDS = 5;
const key = (byte: number): string => Buffer.alloc(32, byte).toString('base64');
const signingSecret = 'f'.repeat(32);

/** Milliseconds of processor time of all threads of a process so far (field 1 of schedstat, nanoseconds). */
const cpuMs = (pid: string): number =>
  readdirSync(`/proc/${pid}/task`).reduce(
    (sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6,
    0,
  );

/** The runtime that this process has started. */
function workerdOf(parent: number): string {
  const found = readdirSync('/proc').find((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const [, name, rest] = /\((.*)\) . (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return name === 'workerd' && Number(rest) === parent;
  });
  if (found === undefined) throw new Error('workerd does not run');
  return found;
}

async function round(): Promise<{ readonly first: number; readonly next: number; readonly event: number }> {
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path: 'edge.js', contents: readFileSync('dist/edge.js', 'utf8') }],
    compatibilityDate: '2026-04-01',
    durableObjects: { SHARDS: { className: 'EdgeShard', useSQLite: true } },
    bindings: {
      ...{ SALLYPORT_ID_KEY: key(1), SALLYPORT_SEAL_KEY: key(2), SALLYPORT_RELAY_KEY: key(3) },
      ...{ SLACK_SIGNING_SECRET: signingSecret, SALLYPORT_RELAY_URL: 'http://127.0.0.1:9/relay', LOG_LEVEL: 'silent' },
    },
    cf: false,
  });
  try {
    const { href } = await miniflare.ready;
    const pid = workerdOf(process.pid);
    const measure = async (times: number, request: (n: number) => Promise<Response>): Promise<number> => {
      const before = cpuMs(pid);
      for (let n = 0; n < times; n += 1) {
        const { status, headers } = await request(n);
        const outcome = headers.get('x-sallyport-outcome') ?? 'accepted';
        if (status !== 200 || outcome !== 'accepted') throw new Error(`answered ${status} ${outcome}`);
      }
      return (cpuMs(pid) - before) / times;
    };
    const health = () => fetch(`${href}health`);
    const event = (n: number) => {
      const at = Date.now();
      const message = slackMessage({ text: `hello ${n}`, channel: `C${n % 40}`, at });
      const { method, headers, body } = signSlackRequest(slackJson(message), { signingSecret, at });
      return fetch(`${href}hooks/slack/default`, { method, headers, body: new Uint8Array(body) });
    };
    const first = await measure(1, health);
    const next = await measure(20, health);
    await measure(EVENTS, event);
    return { first, next, event: await measure(EVENTS, event) };
  } finally {
    await miniflare.dispose();
  }
}

const rounds = [];
for (let n = 0; n < ROUNDS; n += 1) rounds.push(await round());
for (const what of ['first', 'next', 'event'] as const) {
  const values = rounds.map((one) => one[what]);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  console.log(`${what}: ${median(values).toFixed(2)} ms (${least.toFixed(2)}-${most.toFixed(2)})`);
}
