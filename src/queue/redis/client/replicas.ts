import { SallyportError } from '../../../core/errors.ts';
import type { Script, ScriptArgument } from '../scripts.ts';
import type { Client } from './connection.ts';

/** A healthy replica acknowledges within a millisecond or two; a busy host needs more, and the sender waits. */
const WAIT_MS = 500;

/** A script that writes, and its key and arguments. */
interface Call {
  readonly script: Script;
  readonly key: string;
  readonly args: readonly ScriptArgument[];
}

/**
 * Runs scripts that write to one node, and returns their results only when so many replicas have received all of them.
 *
 * Scripts and WAIT travel in one pipeline, because WAIT speaks only of what its own connection wrote: if the connection
 * breaks in between, ioredis aborts the rest of the pipeline instead of sending a WAIT alone, and in Redis Cluster the
 * pipeline goes to the node that owns the key. The source is sent in full: a script that had to be loaded after
 * NOSCRIPT would run behind the WAIT.
 * @returns a result or an error for each call, in order. ERR_REPLICAS_MISSING: the write stands on the master, and the
 * sender's retry is a duplicate
 */
async function runTogether(client: Client, calls: readonly Call[], minReplicas: number): Promise<readonly unknown[]> {
  let reply = await scriptsThenWait(client, calls, minReplicas);
  if (reply.results.some(isMoved)) {
    // ioredis follows MOVED for a pipeline only if all its commands failed, and WAIT does not. A single command makes
    // it learn the new owner. Nothing of a slot that has moved was run.
    await client.exists(calls[0]?.key ?? '');
    reply = await scriptsThenWait(client, calls, minReplicas);
  }
  const { results, replicas } = reply;
  if (replicas instanceof Error) return results.map((result) => (result instanceof Error ? result : replicas));
  if (replicas >= minReplicas) return results;
  const missing = new SallyportError('ERR_REPLICAS_MISSING', 'Too few replicas of Redis acknowledged the write');
  return results.map((result) => (result instanceof Error ? result : missing));
}

/** One script of `runTogether`. @throws what Redis answers; SallyportError ERR_REPLICAS_MISSING */
export async function runReplicated(
  client: Client,
  script: Script,
  key: string,
  args: readonly ScriptArgument[],
  minReplicas: number,
): Promise<unknown> {
  const [result] = await runTogether(client, [{ script, key, args }], minReplicas);
  if (result instanceof Error) throw result;
  return result;
}

/** Scripts over a connection on which nothing else is sent. */
export interface ReplicatedScripts {
  /** @throws as `runReplicated` */
  run(script: Script, key: string, args: readonly ScriptArgument[]): Promise<unknown>;
}

/** Scripts under one WAIT. Each is a few keys of one conversation. */
const MAX_TOGETHER = 64;

/**
 * Redis takes nothing else from a connection that waits. So what is asked for meanwhile goes together under the next WAIT,
 * and nobody waits for more than two of them, however many ask.
 */
export function createReplicatedScripts(client: Client, isCluster: boolean, minReplicas: number): ReplicatedScripts {
  interface Waiting extends Call {
    readonly resolve: (result: unknown) => void;
    readonly reject: (error: unknown) => void;
  }
  /** By what may be in one pipeline: in a Cluster a key of its slot, otherwise everything. */
  const waiting = new Map<string, Waiting[]>();
  const busy = new Set<string>();

  async function pump(group: string): Promise<void> {
    if (busy.has(group)) return;
    busy.add(group);
    for (let batch = take(group); batch.length > 0; batch = take(group)) {
      const results = await runTogether(client, batch, minReplicas).catch((error: unknown) =>
        batch.map(() => (error instanceof Error ? error : new Error('unknown failure'))),
      );
      batch.forEach(({ resolve, reject }, at) => {
        const result = results[at];
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    }
    busy.delete(group);
  }

  function take(group: string): Waiting[] {
    const batch = waiting.get(group)?.splice(0, MAX_TOGETHER) ?? [];
    if (batch.length === 0) waiting.delete(group);
    return batch;
  }

  return {
    run: (script, key, args) =>
      new Promise((resolve, reject) => {
        const group = isCluster ? key : '';
        const queue = waiting.get(group) ?? [];
        waiting.set(group, queue);
        queue.push({ script, key, args, resolve, reject });
        void pump(group);
      }),
  };
}

/**
 * How many replicas have what this connection wrote to the node that owns the key. The command before WAIT leads the pipeline
 * to that node.
 */
export async function replicasOfWrites(client: Client, key: string, minReplicas: number): Promise<number> {
  const [, waited] = (await client.pipeline().exists(key).wait(minReplicas, WAIT_MS).exec()) ?? [];
  const [error = new Error('no answer'), replicas] = waited ?? [];
  if (error) throw error;
  return Number(replicas);
}

interface Reply {
  /** For each script what it returned, or why it was not run. */
  readonly results: readonly unknown[];
  readonly replicas: number | Error;
}

async function scriptsThenWait(client: Client, calls: readonly Call[], minReplicas: number): Promise<Reply> {
  const pipeline = client.pipeline();
  for (const { script, key, args } of calls) pipeline.eval(script.source, 1, key, ...args);
  const replies = (await pipeline.wait(minReplicas, WAIT_MS).exec()) ?? [];
  const results = calls.map((_, at) => {
    const [error = new Error('no answer'), result] = replies[at] ?? [];
    return error ?? result;
  });
  const [waitError = null, replicas] = replies[calls.length] ?? [];
  return { results, replicas: waitError ?? Number(replicas ?? 0) };
}

const isMoved = (result: unknown): boolean => result instanceof Error && /^(MOVED|ASK) /.test(result.message);
