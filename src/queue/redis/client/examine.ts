import { Redis } from 'ioredis';
import { defined } from '../../../core/defined.ts';
import { silentLogger } from '../../../core/logger.ts';
import { openConnections, reasonOf } from './connection.ts';
import { infoOfMasters, memoryRatioOf } from './server-info.ts';
import { parseRedisUrl } from './url.ts';

// What `sallyport doctor` looks at besides what the store itself checks.

/** Share of `maxmemory` that is worth a warning; at 0.9 new events are refused. */
const NEARLY_FULL = 0.7;

/** How much of its memory Redis may use, and uses. */
export async function memoryIsBounded(url: string): Promise<string | { readonly warning: string }> {
  const connections = openConnections(url, silentLogger);
  try {
    const ratios = (await infoOfMasters(connections.patient(), 'memory')).map(memoryRatioOf);
    if (ratios.includes(null)) {
      return { warning: 'is not set in Redis: a machine without memory ends Redis instead of refusing new events' };
    }
    const fullest = Math.max(...ratios.map(Number));
    const text = `${Math.round(fullest * 100)} % is used`;
    return fullest > NEARLY_FULL ? { warning: `${text}; from 90 % on new events are refused` } : text;
  } catch {
    // The line of the store says why.
    return 'not known, as the store cannot be read';
  } finally {
    connections.close();
  }
}

/** Milliseconds one attempt to connect may take. */
const ATTEMPT_MS = 3_000;

/** By what the system, Redis or TLS call the failure. */
const remedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at this host and port; start Redis, or correct the port',
  ENOTFOUND: 'the host name is not known here; correct it, or the DNS of this machine',
  EAI_AGAIN: 'the DNS of this machine does not answer',
  EHOSTUNREACH: 'there is no route to this host',
  ETIMEDOUT: 'the host does not answer; a firewall may drop the packets, or rediss:// leads to a port without TLS',
  ECONNRESET:
    'the other side ended the connection; rediss:// needs a port that speaks TLS, and redis:// one that does not',
  EPROTO: 'the port does not speak TLS; use redis://, or the TLS port',
  NOAUTH: 'Redis wants a password; put it into the URL (redis://:password@host)',
  WRONGPASS: 'Redis does not accept the user name or password',
  NOPERM: 'the user of Redis may not do what is needed; docs/deploy.md lists it',
  LOADING: 'Redis is still loading its data; ask again in a moment',
  timeout: 'something listens there, and does not answer; is it Redis, and does it run?',
};

/**
 * Why Redis is not reached, in a sentence with its remedy: from one attempt at the first address of the URL. Null when this
 * attempt works, so that the cause is another one.
 */
export async function whyUnreachable(url: string): Promise<string | null> {
  const { addresses, tls, username, password, kind } = parseRedisUrl(url);
  const [address] = addresses;
  // A Sentinel has a login of its own.
  const login = kind === 'sentinel' ? {} : defined({ username, password });
  const client = new Redis({
    ...address,
    ...login,
    ...(tls && { tls: { rejectUnauthorized: true } }),
    ...{ lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 },
    ...{ connectTimeout: ATTEMPT_MS, commandTimeout: ATTEMPT_MS },
  });
  let seen: unknown;
  client.on('error', (error) => {
    seen ??= error;
  });
  try {
    await client.connect();
    await client.ping();
    return null;
  } catch (error) {
    const cause = seen ?? error;
    const certificate = certificateProblem(cause);
    if (certificate !== null) return `its certificate is not accepted (${certificate}); see docs/tls.md`;
    const reason = reasonOf(cause);
    return `${remedies[reason] ?? 'the connection fails'} (${reason})`;
  } finally {
    client.disconnect();
  }
}

/** Node's code for a certificate that is not accepted. */
function certificateProblem(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return ['CERT', 'SIGNATURE', 'ISSUER'].some((word) => code.includes(word)) ? code : null;
}
