import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { freshKeys } from './campaign.ts';
import { type EdgeProcess, startEdgeProcess } from './edge-process.ts';
import { freePort } from './free-port.ts';
import { type RoleProcess, startRole } from './role.ts';
import { until } from './until.ts';

/** An edge on workerd in front of an origin on the embedded store, whose replies go to a local Slack. */
export interface EdgeWorld {
  readonly edge: EdgeProcess;
  readonly slack: SlackServer;
  readonly signingSecret: string;
  /** Where the edge sends what it has accepted, also before `startOrigin`. */
  readonly originPort: number;
  /** The relay's key, 32 bytes in base64. */
  readonly relayKey: string;
  readonly folder: string;
  /** The environment of the origin. */
  readonly environment: Readonly<Record<string, string>>;
  /** Starts the origin on `originPort`, once. */
  startOrigin(): Promise<RoleProcess>;
  /** The samples of the edge's `/metrics`, by name and labels. */
  metrics(): Promise<ReadonlyMap<string, number>>;
  /** Waits until nothing waits at the edge. */
  drained(): Promise<void>;
  stop(): Promise<void>;
}

export interface EdgeWorldOptions {
  /** Of the edge (`EdgeProcessOptions`). */
  readonly around?: string;
}

export async function startEdgeWorld({ around }: EdgeWorldOptions = {}): Promise<EdgeWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-edge-'));
  const [slack, originPort] = await Promise.all([startSlackServer(), freePort()]);
  const { SLACK_SIGNING_SECRET, SLACK_BOT_TOKEN, ...keys } = freshKeys();
  const relayKey = randomBytes(32).toString('base64');
  const token = randomBytes(24).toString('hex');
  const shared = { SLACK_SIGNING_SECRET, ...keys, SALLYPORT_RELAY_KEY: relayKey, LOG_LEVEL: 'warn' };
  const settings = {
    ...shared,
    SALLYPORT_RELAY_URL: `http://127.0.0.1:${originPort}/relay`,
    SALLYPORT_METRICS_TOKEN: token,
  };
  const environment = {
    ...shared,
    SLACK_BOT_TOKEN,
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    SLACK_API_URL: slack.url,
    SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes',
  };
  const edge = await startEdgeProcess({ settings, folder, ...(around !== undefined && { around }) });
  let origin: RoleProcess | undefined;

  const metrics = async (): Promise<ReadonlyMap<string, number>> => {
    const answer = await fetch(`${edge.url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(`/metrics answered ${answer.status}`);
    const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
  };
  return {
    ...{ edge, slack, originPort, relayKey, folder, environment, metrics },
    signingSecret: SLACK_SIGNING_SECRET,
    async startOrigin() {
      origin = await startRole({ role: 'all', environment, folder, port: originPort });
      return origin;
    },
    drained: () =>
      until('nothing waits at the edge', async () => {
        const found = await metrics();
        return found.get('sallyport_edge_shards_silent') === 0 && found.get('sallyport_outbox_events') === 0;
      }),
    async stop() {
      await Promise.all([edge.kill(), origin?.kill(), slack.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
