import { join } from 'node:path';
import { SignJWT } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sampleSecrets } from '../fixtures/secrets.ts';
import { freshKeys, seeded } from '../support/campaign.ts';
import { leaks } from '../support/canary/search.ts';
import { openCanary } from '../support/canary/world.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';
import { until } from '../support/until.ts';

const JWT_SECRET = 'a-secret-of-at-least-thirty-two-bytes';

interface Shown {
  readonly event: string;
  readonly conversation: string;
  readonly state: string;
  readonly reply?: { readonly text: string };
}

/** Somebody with a token, at a gate. */
interface Caller {
  say(message: object): Promise<{ status: number; outcome: string | null; event: string; conversation: string }>;
  ask(event: string): Promise<Shown>;
  /** Asks until the event is done. */
  replyTo(event: string): Promise<string | undefined>;
}

async function callerOf(url: string, subject: string, secret = JWT_SECRET): Promise<Caller> {
  const token = await new SignJWT({ tenant: 'default', scope: 'chat:read chat:write' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setExpirationTime('10m')
    .sign(Buffer.from(secret));
  const headers = { authorization: `Bearer ${token}` };
  const ask = async (event: string): Promise<Shown> =>
    (await fetch(`${url}/chat/${event}`, { headers })).json() as Promise<Shown>;
  return {
    ask,
    async say(message) {
      const response = await fetch(`${url}/chat`, { method: 'POST', headers, body: JSON.stringify(message) });
      const { event, conversation } = (await response.json()) as Shown;
      const outcome = response.headers.get('x-sallyport-outcome');
      return { status: response.status, outcome, event, conversation };
    },
    async replyTo(event) {
      let shown: Shown | undefined;
      await until(`${event} is done`, async () => {
        shown = await ask(event);
        return shown.state === 'done';
      });
      return shown?.reply?.text;
    },
  };
}

/** Starts roles that share one store, one after the other if need be. */
async function startGate(redis: RedisServer | undefined) {
  const { SLACK_BOT_TOKEN: _, ...keys } = freshKeys();
  const folder = await testFolder();
  const environment = {
    ...keys,
    SALLYPORT_JWT_SECRET: JWT_SECRET,
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    ...(redis !== undefined && { SALLYPORT_REDIS_URL: redis.url }),
  };
  return async (role: string): Promise<RoleProcess> => {
    const started = await startRole({ role, folder, environment });
    onTestFinished(() => started.kill());
    return started;
  };
}

function chatJourney(redisOf: () => Promise<RedisServer | undefined>): void {
  test('a message is answered, its copies are one event, and each conversation keeps its order', async () => {
    const start = await startGate(await redisOf());
    const { url } = await start('all');
    const ada = await callerOf(url, 'ada');
    const message = { text: 'hello', idempotencyKey: 'k' };
    const copies = await Promise.all(Array.from({ length: 20 }, () => ada.say(message)));
    expect(new Set(copies.map(({ status, event, conversation }) => `${status} ${event} ${conversation}`)).size).toBe(1);
    expect(copies.map(({ outcome }) => outcome).toSorted()).toEqual(['accepted', ...Array(19).fill('duplicate')]);
    const [{ status, event, conversation } = { status: 0, event: '', conversation: '' }] = copies;
    expect([status, await ada.replyTo(event)]).toEqual([202, 'echo: hello']);
    expect(await ada.say({ ...message, text: 'goodbye' })).toMatchObject({ status: 409 });

    const eve = await callerOf(url, 'eve');
    expect(await eve.ask(event)).toMatchObject({ status: 404 });
    const theirs = await eve.say({ ...message, conversation });
    expect([theirs.outcome, theirs.event === event]).toEqual(['accepted', false]);

    const said = [];
    for (const text of ['one', 'two', 'three']) said.push((await ada.say({ text, conversation })).event);
    expect(await Promise.all(said.map((one) => ada.replyTo(one)))).toEqual(['echo: one', 'echo: two', 'echo: three']);
  });

  test('what was accepted survives a crash before any worker has seen it', async () => {
    const start = await startGate(await redisOf());
    const ingress = await start('ingress');
    const before = await callerOf(ingress.url, 'ada');
    const { status, event } = await before.say({ text: 'hello', idempotencyKey: 'k' });
    expect([status, (await before.ask(event)).state]).toEqual([202, 'queued']);
    await ingress.kill();
    const { url } = await start('all');
    const after = await callerOf(url, 'ada');
    expect(await after.say({ text: 'hello', idempotencyKey: 'k' })).toMatchObject({ outcome: 'duplicate', event });
    expect(await after.replyTo(event)).toBe('echo: hello');
  });

  test(
    'a secret in a message is in no store, log, metric, answer or line of the command',
    async () => {
      const secrets = sampleSecrets(seeded(20_262));
      const { SLACK_SIGNING_SECRET } = freshKeys();
      const environment = { SLACK_SIGNING_SECRET, SALLYPORT_JWT_SECRET: JWT_SECRET };
      const world = await openCanary({ redis: await redisOf(), environment });
      const ada = await callerOf(world.url, 'ada');
      const shown = new Map<string, Buffer>();
      for (const [index, { text, kind }] of secrets.entries()) {
        // Keys are only compared, so even a secret that is taken for one is kept nowhere.
        const message = { text, idempotencyKey: text.slice(0, 255), conversation: `c${index % 3}` };
        const said = await ada.say(message);
        expect([said.status, said.outcome], kind).toEqual([202, 'accepted']);
        expect((await ada.say({ ...message, text: `${text} again` })).status).toBe(409);
        if (index === 20) await world.crash();
        shown.set(said.event, Buffer.from(''));
      }
      await world.settled();
      for (const event of shown.keys()) shown.set(event, Buffer.from(JSON.stringify(await ada.ask(event))));
      expect([...shown.values()].filter((one) => !one.includes('"state":"done"'))).toEqual([]);
      expect(leaks(secrets, new Map([...(await world.places()), ...shown]))).toEqual([]);
    },
    CAMPAIGN_MS,
  );
}

describe('chat over the API', () => chatJourney(async () => undefined));

describeRedis('chat over the API, on Redis', () =>
  chatJourney(async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    return redis;
  }),
);
