/**
 * A test file in the hands of a runner that is about to be killed: it starts a child of each kind, writes down who they
 * are, and does not end.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';
import { freshKeys } from './campaign.ts';
import { endWithParent } from './children.ts';
import { startEmbedded } from './embedded-process.ts';
import { startRedis } from './redis.ts';
import { startRole } from './role.ts';
import { until } from './until.ts';

test('starts children and does not end', async () => {
  const folder = process.env.ORPHANS_FOLDER ?? '';
  const redis = await startRedis();
  const environment = { ...freshKeys(), LOG_LEVEL: 'silent' };
  const role = await startRole({ role: 'ingress', folder, environment });
  const embedded = startEmbedded('accept', join(folder, 'data', 'store.db'));
  await until('the embedded process accepts', () => embedded.said('accepted').length > 0);
  // It would outlive a signal that can be ignored, and a closed pipe.
  const stubborn = endWithParent(spawn('sh', ['-c', 'trap "" TERM HUP PIPE; while true; do sleep 1; done']));
  const pids = [redis.process.pid, role.child.pid, embedded.pid, stubborn.pid];
  writeFileSync(join(folder, 'pids.json'), JSON.stringify({ worker: process.pid, runner: process.ppid, pids }));
  await new Promise(() => {});
}, 600_000);
