import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { edgeMetrics, nodeMetrics } from '../../scripts/metrics.ts';
import { dashboards } from '../../scripts/monitoring/panels.ts';
import { alertRules } from '../../scripts/monitoring/rules.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { endWithParent } from '../support/children.ts';
import { testFolder } from '../support/folder.ts';
import { freePort } from '../support/free-port.ts';
import { testWith } from '../support/needs.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

const METRICS_TOKEN = 'a-token-for-metrics-only';
const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';

const queries = dashboards.flatMap(({ rows }) =>
  rows.flatMap(({ panels }) => panels.flatMap(({ title, queries: all }) => all.map(([expr]) => ({ title, expr })))),
);

test('dashboards and alerts use metrics and labels that are exported', () => {
  const labelsOf = new Map([...nodeMetrics, ...edgeMetrics].map(({ name, labels }) => [name, labels]));
  const ofPrometheus = ['le', 'job', 'instance'];
  for (const expr of [...queries.map((query) => query.expr), ...alertRules.map((rule) => rule.expr)]) {
    const names = [...expr.matchAll(/\bsallyport_\w+/g)].map(([name]) =>
      labelsOf.has(name) ? name : name.replace(/_(bucket|count|sum)$/, ''),
    );
    expect(
      names.filter((name) => !labelsOf.has(name)),
      expr,
    ).toEqual([]);
    const recorded = /sallyport:\w+/.test(expr) ? ['channel', 'outcome'] : [];
    const known = new Set([...names.flatMap((name) => labelsOf.get(name) ?? []), ...ofPrometheus, ...recorded]);
    const lists = [...expr.matchAll(/\b(?:by|on|group_left) \(([^)]*)\)/g)].flatMap(([, list = '']) =>
      list.split(', '),
    );
    const matched = [...expr.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, label = '']) => label);
    expect(
      [...lists, ...matched].filter((label) => !known.has(label)),
      expr,
    ).toEqual([]);
  }
});

/** What the traffic below does not bring about, by the panel. */
const EMPTY: Readonly<Record<string, string>> = {
  'Tools and guardrails': 'no agent with tools',
  'Spent an hour': 'the agent echo costs nothing',
  'Runs stopped by a limit': 'no limit is reached',
  'Requests the store did not serve': 'the store is there',
  'Subscriptions end in': 'Slack has none',
  'Sources with something wrong': 'Slack has none',
  'Checkpoints of the audit': 'none are configured',
  'Refused callers': 'nobody is refused',
  'Secrets removed': 'no secret is sent',
  Replies: 'Slack has no credentials here',
  'Oldest in the outbox': 'no edge',
  Outbox: 'no edge',
  'Shards that forward nothing': 'no edge',
  'Judged at the edge': 'no edge',
  'Silent shards': 'no edge',
  'Size of the databases': 'no edge',
  'Batches at the origin': 'no edge',
};

async function startPrometheus(roles: readonly RoleProcess[]) {
  const folder = await testFolder();
  const port = await freePort();
  const scrape_configs = ['ingress', 'worker'].map((role, at) => ({
    job_name: `sallyport-${role}`,
    authorization: { type: 'Bearer', credentials: METRICS_TOKEN },
    static_configs: [{ targets: [new URL(roles[at]?.url ?? '').host] }],
  }));
  const config = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' },
    rule_files: [join(import.meta.dirname, '..', '..', 'deploy', 'prometheus', 'rules.yml')],
    scrape_configs,
  };
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const args = ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`];
  const child = endWithParent(spawn('prometheus', args, { cwd: folder, stdio: 'ignore' }));
  onTestFinished(() => void child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  const ask = async (path: string) => {
    const answer = (await (await fetch(`${url}${path}`)).json()) as { status: string; data: Record<string, unknown[]> };
    return answer.status === 'success' ? answer.data : Promise.reject(new Error(`Prometheus refused ${path}`));
  };
  await until('Prometheus is ready', () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    ask,
    query: async (expr: string) => (await ask(`/api/v1/query?query=${encodeURIComponent(expr)}`)).result ?? [],
  };
}

testWith('prometheus')('Prometheus scrapes an ingress and a worker, and every panel shows what it should', async () => {
  const folder = await testFolder();
  const environment = {
    ...freshKeys(),
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    SALLYPORT_METRICS_TOKEN: METRICS_TOKEN,
    SLACK_SIGNING_SECRET: SECRET,
    LOG_LEVEL: 'silent',
  };
  const roles: RoleProcess[] = [];
  for (const role of ['ingress', 'worker'] as const) {
    const started = await startRole({ role, folder, environment });
    onTestFinished(() => started.kill());
    roles.push(started);
  }
  const { ask, query } = await startPrometheus(roles);
  const post = async (text: string, ts: string, more: Record<string, string> = {}) => {
    const payload = slackMessage({ text, channel: 'D0', at: Date.now(), ts });
    const { headers, body } = signSlackRequest(slackJson(payload), { signingSecret: SECRET, at: Date.now() });
    const url = `${roles[0]?.url}/hooks/slack`;
    await fetch(url, { method: 'POST', headers: { ...headers, ...more }, body: new Uint8Array(body) });
  };
  /** Deliveries of every outcome, for as long as it takes to see a rate. */
  const traffic = async (round: number): Promise<void> => {
    const ts = `1700000000.${String(round).padStart(6, '0')}`;
    await post('one', ts);
    await post('one', ts, { 'x-slack-retry-num': '1', 'x-slack-retry-reason': 'http_timeout' });
    await post('another text', ts);
    await post('one', ts, { 'x-slack-signature': `v0=${'0'.repeat(64)}` });
  };
  let round = 0;
  const exprs = queries.map(({ title, expr }) => ({ title, expr: expr.replaceAll('$__rate_interval', '10s') }));
  const without = async (): Promise<string[]> => {
    const empty: string[] = [];
    for (const { title, expr } of exprs) if ((await query(expr)).length === 0) empty.push(title);
    return [...new Set(empty)];
  };
  await until('every panel that can has data', async () => {
    round += 1;
    await traffic(round);
    return (await without()).every((title) => title in EMPTY);
  });
  // Prometheus took every rule, and says of none that it could not be evaluated.
  const { groups = [] } = await ask('/api/v1/rules');
  const rules = (groups as { rules: { name: string; health: string }[] }[]).flatMap((group) => group.rules);
  expect(rules.filter(({ health }) => health === 'err')).toEqual([]);
  expect(rules.length).toBeGreaterThan(alertRules.length);
  const { activeTargets = [] } = await ask('/api/v1/targets');
  expect((activeTargets as { health: string }[]).map(({ health }) => health)).toEqual(['up', 'up']);
});
