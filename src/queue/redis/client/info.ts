import type { Cluster, Redis } from 'ioredis';
import { SallyportError } from '../../../core/errors.ts';
import type { Client } from './connection.ts';

/** What INFO says: fields by name. */
export type Info = ReadonlyMap<string, string>;

/**
 * INFO (or one section of it) of the server, or of every master of a Cluster.
 * @throws SallyportError ERR_STORE_UNAVAILABLE when a Cluster knows no master; otherwise what the client throws
 */
export async function infoOfMasters(client: Client, section?: string): Promise<readonly Info[]> {
  const masters: readonly Redis[] = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis];
  if (masters.length === 0) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'Redis Cluster knows no master');
  return Promise.all(
    masters.map(async (node) => parseInfo(await (section === undefined ? node.info() : node.info(section)))),
  );
}

function parseInfo(text: string): Info {
  const pairs = text
    .split('\r\n')
    .filter((line) => line.includes(':'))
    .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  return new Map(pairs);
}
