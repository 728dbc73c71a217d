import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { freshKeys } from '../../support/campaign.ts';
import { sallyport } from '../../support/command.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';

let folder: string;
let gate: RoleProcess;
const ids: string[] = [];
const keys = { ...freshKeys(), SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };

/** Without a worker, so that events stay as they were put. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-events-'));
  const tenants = { default: {}, other: { slack: { signingSecrets: 'another-secret-of-slack' } } };
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ tenants }));
  gate = await startRole({ role: 'ingress', folder, environment: { ...keys, LOG_LEVEL: 'silent' } });
  const { out } = await sallyport(['send', 'slack', '--url', gate.url, '--times', '3'], { folder, environment: keys });
  ids.push(...[...out.matchAll(/ev_[0-9A-Z]{26}/g)].map(([id]) => id));
});
afterAll(async () => {
  await gate?.kill();
  await rm(folder, { recursive: true, force: true });
});

const events = (...args: string[]) =>
  sallyport(['events', ...args], { folder, environment: { ...keys, SALLYPORT_URL: gate.url } });

test('list shows one line an event, newest first, and is what `events` alone does', async () => {
  const { code, out, err } = await events('list');
  expect([code, err]).toEqual([0, '']);
  const lines = out.trim().split('\n');
  expect(lines.map((line) => line.split('  ')[0])).toEqual([...ids].reverse());
  for (const line of lines)
    expect(line).toMatch(/^ev_\S+ {2}\d{4}-\d\d-\d\dT\S+Z {2}slack {2}message {2}queued {2}attempts=0$/);
  expect(await events()).toEqual({ code, out, err });
});

test('list pages, filters, and speaks JSON', async () => {
  const first = await events('--limit', '2', '--json');
  const { events: rows, cursor } = JSON.parse(first.out);
  expect(rows.map(({ id }: { id: string }) => id)).toEqual([ids[2], ids[1]]);
  expect((await events('--limit', '2')).err).toBe(`more: --cursor ${cursor}\n`);
  const second = JSON.parse((await events('--limit', '2', '--cursor', cursor, '--json')).out);
  expect(second).toMatchObject({ events: [{ id: ids[0], state: 'queued', channel: 'slack' }], cursor: null });
  expect(await events('--state', 'done')).toEqual({ code: 0, out: '', err: 'no events\n' });
  expect(JSON.parse((await events('--channel', 'teams', '--json')).out)).toEqual({ events: [], cursor: null });
});

test('show prints one event; an unknown one fails with its code', async () => {
  const [id = ''] = ids;
  const { code, out } = await events('show', id, '--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    id,
    tenant: 'default',
    state: 'queued',
    deliveries: 1,
    attempts: 0,
    runs: [],
  });
  for (const [unknown, failure] of [
    [`ev_${'0'.repeat(26)}`, 'ERR_NOT_FOUND'],
    ['ev_1?x=1#y', 'ERR_NOT_FOUND'],
    // An encoded slash is in no path of ours.
    ['../ready', 'ERR_UNKNOWN_ROUTE'],
  ] as const) {
    expect(await events('show', unknown)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining(`${gate.url}: Not found (${failure})`),
    });
  }
});

test('park takes an event out, redrive puts it back as a new generation, and neither does it twice', async () => {
  const [id = ''] = ids;
  const parked = await events('park', id);
  expect([parked.code, parked.out]).toEqual([
    0,
    expect.stringMatching(new RegExp(`^${id}  .*  parked  .*ERR_PARKED_BY_OPERATOR\n$`)),
  ]);
  const listed = JSON.parse((await events('list', '--state', 'parked', '--json')).out);
  expect(listed.events.map((event: { id: string }) => event.id)).toEqual([id]);
  expect(await events('park', id)).toMatchObject({ code: 1, err: expect.stringContaining('ERR_WRONG_STATE') });
  const page = await events('show', id);
  expect([page.code, page.err]).toEqual([0, '']);
  expect(page.out).toMatch(new RegExp(`^${id}  parked\n`));
  expect(page.out).toContain('channel       slack message');
  expect(page.out).toMatch(/ failure +ERR_PARKED_BY_OPERATOR/);
  expect(page.out).toContain(`sallyport events redrive ${id}`);
  const redriven = await events('redrive', id, '--json');
  expect(JSON.parse(redriven.out)).toMatchObject({ id, state: 'queued', generation: 2, attempts: 0 });
  expect(await events('redrive', id)).toMatchObject({ code: 1, err: expect.stringContaining('ERR_WRONG_STATE') });
});

test('another tenant’s token sees nothing of it', async () => {
  const [id = ''] = ids;
  expect(await events('--tenant', 'other')).toMatchObject({ code: 0, out: '' });
  expect(await events('show', id, '--tenant', 'other')).toEqual({
    code: 1,
    out: '',
    err: expect.stringContaining(`${gate.url}: Not found (ERR_NOT_FOUND)`),
  });
  expect((await events('park', id, '--tenant', 'other')).code).toBe(1);
});

test('a filter the API does not know fails with its code', async () => {
  for (const args of [
    ['--state', 'asleep'],
    ['--limit', '0'],
    ['--limit', '201'],
    ['--cursor', '../x'],
  ]) {
    expect(await events(...args)).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(
        new RegExp(`^${gate.url}: The request is not valid \\(ERR_INVALID_REQUEST\\): .*${args[0]?.slice(2)}.*\n$`),
      ),
    });
  }
});

test('something else that answers at SALLYPORT_URL is told in one line', async () => {
  for (const body of ['<html>c4n4ry</html>', '{"c4n4ry":1}', '{"events":[{"id":1}],"cursor":null}', 'null']) {
    const server = createServer((_, response) => void response.end(body));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const SALLYPORT_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const finished = await sallyport(['events'], { folder, environment: { ...keys, SALLYPORT_URL } });
    expect(finished).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(new RegExp(`^${SALLYPORT_URL} answered, but it is not Sallyport.*\n$`)),
    });
  }
});

test('SALLYPORT_TOKEN comes before any secret that lies around', async () => {
  const minted = await sallyport(['token', '--scope', 'events:read'], { folder, environment: keys });
  const ask = (bearer: string) =>
    sallyport(['events'], { folder, environment: { ...keys, SALLYPORT_URL: gate.url, SALLYPORT_TOKEN: bearer } });
  expect((await ask(minted.out.trim())).code).toBe(0);
  expect(await ask('garbage')).toMatchObject({ code: 1, err: expect.stringContaining('ERR_UNAUTHENTICATED') });
  expect(await ask('two\nlines')).toEqual({ code: 78, out: '', err: 'SALLYPORT_TOKEN: is not a token\n' });
});
