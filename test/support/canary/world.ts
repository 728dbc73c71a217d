import { randomBytes } from 'node:crypto';
import { expect, onTestFinished } from 'vitest';
import { sleep } from '../clock.ts';
import { sallyportProcess } from '../command.ts';
import { testFolder } from '../folder.ts';
import { freePort } from '../free-port.ts';
import type { RedisServer } from '../redis.ts';
import { type RoleProcess, startRole } from '../role.ts';
import { everyByte, everyKey, type Places } from './search.ts';

const METRICS_TOKEN = 'metrics-token-of-the-canary-test';

export interface CanaryOptions {
  /** Channels, agents and what else the test is about. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absent: one process on the embedded store instead of an ingress and a worker. */
  readonly redis?: RedisServer | undefined;
  /** Where the gate's own URL goes, for what senders are told. */
  readonly publicUrlIn?: readonly string[];
  readonly folder?: string;
  /** Besides `default`. */
  readonly otherTenants?: readonly string[];
}

/** The built product, logging all it can, in processes that end with the test. */
export interface CanaryWorld {
  readonly url: string;
  readonly folder: string;
  /** Of a command that talks to the gate. */
  readonly environment: Readonly<Record<string, string>>;
  /** SIGKILL and a new start of whatever works on events. */
  crash(): Promise<void>;
  /** Posts to the gate. */
  post(path: string, request: CanaryRequest): Promise<{ status: number; outcome: string | null; body: string }>;
  /** An answer of the API to somebody of a tenant, or of a page. */
  read(path: string, tenant?: string): Promise<string>;
  /** What a command prints. */
  command(...args: string[]): Promise<string>;
  /** Waits until nothing is on its way any more; the events' states by id, newest first. */
  settled(): Promise<ReadonlyMap<string, string>>;
  /** Everything the product wrote or said. */
  places(): Promise<Places>;
}

export interface CanaryRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const key = (): string => randomBytes(32).toString('base64');

export async function openCanary(options: CanaryOptions): Promise<CanaryWorld> {
  const { redis, publicUrlIn = [] } = options;
  const tenants = ['default', ...(options.otherTenants ?? [])];
  const folder = options.folder ?? (await testFolder());
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const environment: Record<string, string> = {
    SALLYPORT_SEAL_KEY: key(),
    SALLYPORT_ID_KEY: key(),
    SALLYPORT_JWT_SECRET: key(),
    SALLYPORT_METRICS_TOKEN: METRICS_TOKEN,
    SALLYPORT_URL: url,
    SALLYPORT_LEASE: '2s',
    SALLYPORT_OUTCOME_HEADERS: '1',
    LOG_LEVEL: 'trace',
    ...(redis === undefined ? {} : { SALLYPORT_REDIS_URL: redis.url }),
    ...Object.fromEntries(publicUrlIn.map((name) => [name, url])),
    ...options.environment,
  };
  const start = (role: string, at?: number) =>
    startRole({ role, environment, folder, ...(at === undefined ? {} : { port: at }) });
  const roles: RoleProcess[] = [await start(redis === undefined ? 'all' : 'ingress', port)];
  if (redis !== undefined) roles.push(await start('worker'));
  onTestFinished(() => Promise.all(roles.map((role) => role.kill())).then(() => {}));

  const tokens = new Map<string, string>();
  for (const tenant of tenants) tokens.set(tenant, (await run(['token', '--scope', READS, '--tenant', tenant])).trim());
  async function run(args: readonly string[]): Promise<string> {
    const { out, err } = await sallyportProcess(args, { folder, environment });
    return out + err;
  }
  const read = async (path: string, tenant = 'default'): Promise<string> => {
    const bearer = path === '/metrics' ? METRICS_TOKEN : tokens.get(tenant);
    return (await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${bearer}` } })).text();
  };
  const statesOf = async (tenant: string): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    for (let query = '?limit=200'; query !== ''; ) {
      const page = JSON.parse(await read(`/events${query}`, tenant)) as EventPage;
      for (const { id, state } of page.events) found.set(id, state);
      query = page.cursor === null ? '' : `?limit=200&cursor=${page.cursor}`;
    }
    return found;
  };
  const world: CanaryWorld = {
    url,
    folder,
    environment,
    read,
    command: (...args) => run(args),
    crash: async () => roles.at(-1)?.restart(),
    async post(path, { headers, body }) {
      const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: new Uint8Array(body) });
      const outcome = response.headers.get('x-sallyport-outcome');
      return { status: response.status, outcome, body: await response.text() };
    },
    async settled() {
      // Twice, because an event may be between two states, or lead to another one.
      for (let calm = 0; ; await sleep(150)) {
        const each = await Promise.all(tenants.map(statesOf));
        const all = new Map(each.flatMap((states) => [...states]));
        calm = [...all.values()].some((state) => ON_ITS_WAY.has(state)) ? 0 : calm + 1;
        if (calm === 3) return all;
      }
    },
    async places() {
      const places = new Map<string, Buffer>();
      for (const tenant of tenants) await readAs(tenant, await statesOf(tenant), world, places);
      await readFiles(world, redis, places);
      return places;
    },
  };
  return world;
}

interface EventPage {
  readonly events: readonly { readonly id: string; readonly state: string }[];
  readonly cursor: string | null;
}

const ON_ITS_WAY: ReadonlySet<string> = new Set(['queued', 'running', 'waiting']);

/** What the product shows to an operator of a tenant, over HTTP and on the command line. */
async function readAs(
  tenant: string,
  states: ReadonlyMap<string, string>,
  world: CanaryWorld,
  places: Map<string, Buffer>,
): Promise<void> {
  for (const path of [...PAGES, ...[...states.keys()].map((id) => `/events/${id}`)]) {
    places.set(`${path} of ${tenant}`, Buffer.from(await world.read(path, tenant)));
  }
  for (const args of commandsFor(states)) {
    const line = args[0] === 'doctor' ? args : [...args, '--tenant', tenant];
    places.set(line.join(' '), Buffer.from(await world.command(...line)));
  }
}

/** What lies on disks and in Redis. */
async function readFiles(
  world: CanaryWorld,
  redis: RedisServer | undefined,
  places: Map<string, Buffer>,
): Promise<void> {
  expect(String(places.get('/metrics of default'))).toContain('sallyport_scrub_findings_total{rule=');
  if (redis !== undefined) {
    for (const [place, bytes] of await everyKey(redis.url)) places.set(place, bytes);
    for (const [place, bytes] of await everyByte(redis.folder)) places.set(place, bytes);
    expect([...places.keys()].some((place) => place.includes('appendonly'))).toBe(true);
  }
  for (const [place, bytes] of await everyByte(world.folder)) places.set(place, bytes);
  expect([...places.keys()].some((place) => place.endsWith('.log'))).toBe(true);
}

const READS = 'events:read reviews:read budgets:read subscriptions:read audit:read';
const PAGES = ['/metrics', '/ready', '/events', '/reviews', '/budgets', '/subscriptions', '/audit?limit=1000'];

/** What an operator looks at: lists, and one event of each state. */
function commandsFor(states: ReadonlyMap<string, string>): string[][] {
  const examples = new Map([...states].map(([id, state]) => [state, id]));
  const waiting = examples.get('review');
  const lists = [['events', 'list', '--limit', '200'], ['reviews', 'list'], ['budgets'], ['subscriptions', 'list']];
  return [
    ['audit', 'export', '--all'],
    ...lists.flatMap((list) => [list, [...list, '--json']]),
    ...[...examples.values()].map((id) => ['events', 'show', id]),
    ...(waiting === undefined ? [] : [[], ['--json']].map((more) => ['reviews', 'show', waiting, ...more])),
    ['doctor'],
  ];
}
