import * as z from 'zod';
import { nodeCrypto as crypto } from '../core/crypto/crypto.node.ts';
import { createRelayKeys, signEdgeRequest } from '../core/relay.ts';
import { httpUrl } from '../core/setting-values.ts';
import { oneLine } from './error-line.ts';
import { EXIT, Exit, type Io } from './io.ts';
import { toolSettings } from './settings.ts';

/** Milliseconds until an edge that does not answer is given up. */
const ANSWER_MS = 30_000;

const problemShape = z.object({ title: z.string(), code: z.string() });

const volume = z.object({ events: z.number(), bytes: z.number() });

/** What `GET /outbox` answers. */
export const outboxShape = z.object({
  /** Ids of the edge's relay keys; the first one signs. */
  keys: z.array(z.string()),
  shards: z.array(
    z.discriminatedUnion('answered', [
      z.object({ answered: z.literal(false), shard: z.string() }),
      z.object({
        answered: z.literal(true),
        shard: z.string(),
        waiting: volume,
        parked: volume,
        oldestAt: z.string().nullable(),
        blocked: z.object({ reason: z.string(), since: z.string() }).nullable(),
      }),
    ]),
  ),
  parked: z.array(
    z.object({
      shard: z.string(),
      event: z.string(),
      reason: z.string(),
      bytes: z.number(),
      acceptedAt: z.string(),
      parkedAt: z.string(),
    }),
  ),
});
export type EdgeOutbox = z.output<typeof outboxShape>;

interface EdgeCall<Shape extends z.ZodType> {
  readonly url: string;
  /** The option that has the URL. */
  readonly option?: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** What the edge has to answer. */
  readonly shape: Shape;
}

/**
 * Asks an edge, signed with `SALLYPORT_RELAY_KEY`. `answer` is what it said, `value` what is known of it.
 * @throws Exit 2 for a wrong URL, 78 without a key, 1 with what the edge says, or that it does not answer
 */
export async function callEdge<Shape extends z.ZodType>(
  io: Io,
  { url, option = '--url', method, path, shape }: EdgeCall<Shape>,
): Promise<{ readonly answer: unknown; readonly value: z.output<Shape> }> {
  const parsed = httpUrl.safeParse(url);
  if (!parsed.success) throw new Exit(EXIT.usage, `${option}: ${parsed.error.issues[0]?.message}`);
  const { origin } = new URL(parsed.data);
  const { keys: given } = (await toolSettings(io)).relay;
  if (given === undefined) throw new Exit(EXIT.config, 'SALLYPORT_RELAY_KEY: is required, with a value of the edge');
  const keys = createRelayKeys(given, crypto);
  const headers = signEdgeRequest({ method, path }, Date.now(), keys, crypto);
  const request = { method, headers, redirect: 'manual', signal: AbortSignal.timeout(ANSWER_MS) } as const;
  const response = await fetch(origin + path, request).catch(() => {
    throw new Exit(EXIT.failed, `${option}: nothing answers at ${origin}`);
  });
  const answer = jsonOf(await response.text().catch(() => ''));
  const known = shape.safeParse(answer);
  if (response.ok && known.success) return { answer, value: known.data };
  if (response.ok) throw new Exit(EXIT.failed, `${option}: what answers there is no edge, or another version of it`);
  if (response.status === 401) {
    throw new Exit(
      EXIT.failed,
      `${option}: the edge refuses the request; it does not know the key ${keys[0].id}, or the clocks differ by more than 300 s`,
    );
  }
  const problem = problemShape.safeParse(answer);
  const said = problem.success
    ? oneLine(`${problem.data.title} (${problem.data.code})`)
    : `answered ${response.status}`;
  throw new Exit(EXIT.failed, `${option}: ${said}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
