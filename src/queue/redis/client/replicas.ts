import { SallyportError } from '../../../core/errors.ts';
import type { Script, ScriptArgument } from '../scripts.ts';
import type { Client } from './connection.ts';

/** A healthy replica acknowledges within a millisecond or two; a busy host needs more, and the sender waits. */
const WAIT_MS = 500;

/**
 * Runs a script that writes, and returns its result only when so many replicas have received the write.
 *
 * Script and WAIT travel in one pipeline, because WAIT speaks only of what its own connection wrote: if the connection
 * breaks in between, ioredis aborts the rest of the pipeline instead of sending a WAIT alone, and in Redis Cluster the
 * pipeline goes to the node that owns the key. The source is sent in full: a script that had to be loaded after
 * NOSCRIPT would run behind the WAIT.
 * @throws SallyportError ERR_REPLICAS_MISSING; the write stands on the master, and the sender's retry is a duplicate
 */
export async function runReplicated(
  client: Client,
  script: Script,
  key: string,
  args: readonly ScriptArgument[],
  minReplicas: number,
): Promise<unknown> {
  let reply = await scriptThenWait(client, script, key, args, minReplicas);
  if (isMoved(reply.failed)) {
    // ioredis follows MOVED for a pipeline only if all its commands failed, and WAIT does not. A single command makes
    // it learn the new owner.
    await client.exists(key);
    reply = await scriptThenWait(client, script, key, args, minReplicas);
  }
  if (reply.failed) throw reply.failed;
  if (reply.replicas < minReplicas) {
    throw new SallyportError('ERR_REPLICAS_MISSING', 'Too few replicas of Redis acknowledged the write');
  }
  return reply.result;
}

interface Reply {
  readonly failed: Error | null;
  readonly result: unknown;
  readonly replicas: number;
}

async function scriptThenWait(
  client: Client,
  { source }: Script,
  key: string,
  args: readonly ScriptArgument[],
  minReplicas: number,
): Promise<Reply> {
  const pipeline = client.pipeline().eval(source, 1, key, ...args);
  const replies = await pipeline.wait(minReplicas, WAIT_MS).exec();
  const [[scriptError = null, result] = [], [waitError = null, replicas] = []] = replies ?? [];
  return { failed: scriptError ?? waitError, result, replicas: Number(replicas ?? 0) };
}

const isMoved = (error: Error | null): boolean => error !== null && /^(MOVED|ASK) /.test(error.message);
