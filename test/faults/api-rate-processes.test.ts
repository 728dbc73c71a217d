import { SignJWT } from 'jose';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { freshKeys } from '../support/campaign.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { startRole } from '../support/role.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';

const PROCESSES = 4;
const REQUESTS = 10_000;
const LIMIT = 100;
const SECRET = 'a-secret-of-at-least-thirty-two-bytes';

/** The statuses of all requests, asked at once of all processes over one store, and how often each was answered. */
async function askAll(store: Record<string, string>): Promise<Record<string, number>> {
  const folder = await testFolder();
  const environment = {
    ...freshKeys(),
    ...store,
    SALLYPORT_JWT_SECRET: SECRET,
    SALLYPORT_API_RATE: `${LIMIT}/1h`,
    SALLYPORT_FAILURES_PER_MINUTE: '100000',
    LOG_LEVEL: 'silent',
  };
  const gates = await Promise.all(
    Array.from({ length: PROCESSES }, () => startRole({ role: 'ingress', folder, environment })),
  );
  const dispatcher = new Agent({ connections: 64 });
  onTestFinished(async () => {
    await dispatcher.close();
    await Promise.all(gates.map((gate) => gate.kill()));
  });
  const bearer = await new SignJWT({ sub: 'ada', tenant: 'default', scope: 'events:read' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
  const headers = { authorization: `Bearer ${bearer}` };
  const counts: Record<string, number> = {};
  await Promise.all(
    Array.from({ length: REQUESTS }, async (_, n) => {
      const {
        statusCode,
        headers: got,
        body,
      } = await request(`${gates[n % PROCESSES]?.url}/events`, {
        ...{ dispatcher, headers, headersTimeout: 0, bodyTimeout: 0 },
      });
      await body.dump();
      if (statusCode === 429) expect(Number(got['retry-after'])).toBeGreaterThan(0);
      counts[statusCode] = (counts[statusCode] ?? 0) + 1;
    }),
  );
  return counts;
}

test(
  'embedded: of 10,000 requests to four processes exactly as many pass as the limit says',
  async () => {
    const counts = await askAll({});
    expect(counts[200]).toBe(LIMIT);
    // A process that did not get at the file in time refuses as well.
    expect((counts[429] ?? 0) + (counts[503] ?? 0)).toBe(REQUESTS - LIMIT);
  },
  CAMPAIGN_MS,
);

describeRedis('Redis', () => {
  test(
    'of 10,000 requests to four processes exactly as many pass as the limit says',
    async () => {
      const server = await startRedis();
      onTestFinished(() => server.stop());
      expect(await askAll({ SALLYPORT_REDIS_URL: server.url })).toEqual({ 200: LIMIT, 429: REQUESTS - LIMIT });
    },
    CAMPAIGN_MS,
  );
});
