import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { alertRules } from '../../scripts/monitoring/rules.ts';
import { files } from '../../scripts/monitoring.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import { freshKeyPair } from '../../src/core/crypto/ed25519.node.ts';
import { alertCases, type Series } from '../support/alert-cases.ts';
import { testFolder } from '../support/folder.ts';
import { testWith } from '../support/needs.ts';

const root = join(import.meta.dirname, '..', '..');

test('the files of Prometheus and Grafana are those that `npm run docs:monitoring` writes', async () => {
  for (const [file, text] of files()) {
    expect(await readFile(join(root, file), 'utf8'), `${file} is stale: run \`npm run docs:monitoring\``).toBe(text);
  }
});

test('every alert has cases that make it fire and cases that do not', () => {
  expect(alertCases.map(({ alert }) => alert)).toEqual(alertRules.map(({ alert }) => alert));
  for (const { alert, fires, quiet } of alertCases) {
    expect(fires.length, alert).toBeGreaterThan(0);
    expect(quiet.length, alert).toBeGreaterThan(0);
  }
});

/** A test of promtool: what the alert's firing series are after so long. */
function ruleTest(alert: string, at: string, series: Series, expected: string | null) {
  return {
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: `ALERTS{alertname="${alert}",alertstate="firing"}`,
        eval_time: at,
        exp_samples: expected === null ? [] : [{ labels: expected, value: 1 }],
      },
    ],
  };
}

const severityOf = (alert: string): string => alertRules.find((rule) => rule.alert === alert)?.severity ?? '';

/** The committed rules, cut down to the recording rules and one alert: promtool evaluates every rule of a file each minute. */
function rulesWith(committed: string, alert: string): string {
  const [, ...rules] = committed
    .split(/^ {6}- (?=alert|record)/m)
    .map((part) => part.replace(/^ {2}- name[\s\S]*/m, ''));
  const wanted = rules.filter((rule) => rule.startsWith('record: ') || rule.startsWith(`alert: ${alert}\n`));
  return ['groups:\n  - name: tested\n    rules:\n', ...wanted.map((rule) => `      - ${rule}`)].join('');
}

testWith('promtool')('each alert fires for its cause, and not for what only comes near it', async () => {
  const folder = await testFolder();
  const rules = join(root, 'deploy/prometheus/rules.yml');
  const committed = await readFile(rules, 'utf8');
  const promtool = (...args: readonly string[]) => spawnSync('promtool', args, { cwd: folder, encoding: 'utf8' });
  expect(promtool('check', 'rules', rules)).toMatchObject({ status: 0 });
  const named = await Promise.all(
    alertCases.map(async ({ alert, at = '30m', fires, labels, quiet }) => {
      const all = Object.entries({ alertname: alert, alertstate: 'firing', severity: severityOf(alert), ...labels });
      const firing = `ALERTS{${all.map(([name, value]) => `${name}="${value}"`).join(',')}}`;
      const tests = [
        ...fires.map((series) => ruleTest(alert, at, series, firing)),
        ...quiet.map((series) => ruleTest(alert, at, series, null)),
      ];
      const file = `${alert}.test.yml`;
      await writeFile(join(folder, `${alert}.yml`), rulesWith(committed, alert));
      await writeFile(
        join(folder, file),
        JSON.stringify({ rule_files: [`${alert}.yml`], evaluation_interval: '1m', tests }),
      );
      return file;
    }),
  );
  const { status, stdout, stderr } = promtool('test', 'rules', ...named);
  expect(status, `${stdout}${stderr}`.slice(0, 5_000)).toBe(0);
});

/** The commands of the program that a page names, in code spans and code blocks, as arguments. */
const commandsIn = (page: string): string[][] =>
  [...page.matchAll(/`(sallyport [^`]+)`|^(sallyport [^#\n]+)/gm)].map(([, span, line]) =>
    (span ?? line ?? '').replace('PUBLIC', freshKeyPair().publicKey).trim().split(/\s+/).slice(1),
  );

const EX_USAGE = 2;

/** Runs a command line in a folder with nothing but empty files that the page names: there is nothing to talk to, so that only what is wrong with the line is told apart. */
async function runAlone(args: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
  const folder = await testFolder();
  for (const file of ['audit.jsonl', 'checkpoints']) await writeFile(join(folder, file), '');
  let said = '';
  const note = (text: string): void => {
    said += text;
  };
  const io = {
    ...{
      environment: {},
      folder,
      input: Readable.from([]),
    },
    ...{ write: note, print: note, complain: note },
  };
  const noRoles = (): Promise<never> => Promise.reject(new Error('no role is started here'));
  return { code: await runCommandLine(args, io, noRoles, '0.0.0'), said };
}

test('the runbook has an entry for each alert and no other, and its commands are commands of the program', async () => {
  const page = await readFile(join(root, 'docs/runbook.md'), 'utf8');
  const entries = [...page.matchAll(/^### (\S+)$/gm)].map(([, name]) => name);
  expect(entries.toSorted()).toEqual(alertRules.map(({ alert }) => alert).toSorted());
  const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-'));
  const linked = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
  expect(linked.filter((anchor) => !anchors.includes(anchor ?? ''))).toEqual([]);
  const commands = commandsIn(page);
  expect(commands.length).toBeGreaterThan(40);
  const refused: unknown[] = [];
  for (const args of new Map(commands.map((args) => [args.join(' '), args])).values()) {
    const { code, said } = await runAlone(args);
    if (code === EX_USAGE) refused.push([args.join(' '), said]);
  }
  expect(refused).toEqual([]);
  expect((await runAlone(['events', 'no-such-command'])).code).toBe(EX_USAGE);
  expect((await runAlone(['events', 'list', '--no-such-option'])).code).toBe(EX_USAGE);
});
