import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { expect, onTestFinished, test, vi } from 'vitest';
import { silentLogger } from '../../../src/core/logger.ts';
import { openRedisStore } from '../../../src/queue/redis/open.ts';
import { defaultLimits } from '../../../src/queue/store.ts';
import { createAuthority } from '../../support/authority.ts';
import { describeWith } from '../../support/needs.ts';
import { until } from '../../support/until.ts';

describeWith('openssl')('rediss', () => {
  test.each([
    'rediss://:s3cret@127.0.0.1:PORT',
    'rediss://:s3cret@127.0.0.1:PORT,',
    'rediss+sentinel://127.0.0.1:PORT/main',
  ])('a server whose certificate nobody vouches for gets no word, whatever the environment says: %s', async (url) => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    onTestFinished(() => void vi.unstubAllEnvs());
    let attempts = 0;
    const said: Buffer[] = [];
    const server = createServer(createAuthority().issue('redis.test'), (socket) => {
      socket.on('data', (chunk: Buffer) => void said.push(chunk)).on('error', () => {});
    });
    server.on('connection', () => {
      attempts += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const port = String((server.address() as AddressInfo).port);
    const options = { shards: 1, minReplicas: 0, allowUnsafe: false, limits: defaultLimits, idCheck: 'test' };
    const store = await openRedisStore({ ...options, url: url.replace('PORT', port), logger: silentLogger });
    onTestFinished(() => store.close());
    await until('it has tried several times', async () => attempts > 2);
    await expect(store.check()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    expect(Buffer.concat(said).toString()).toBe('');
  });
});
