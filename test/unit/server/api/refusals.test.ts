import { expect, test } from 'vitest';
import type { AuditNote } from '../../../../src/core/audit/entry.ts';
import { SallyportError } from '../../../../src/core/errors.ts';
import { createContentReads, createRefusals } from '../../../../src/server/api/refusals.ts';

test('a refusal is told once in a while for each scope, and again at once when the audit could not take it', async () => {
  const told: string[] = [];
  let isAway = true;
  const refused = createRefusals(async (tenant, notes: readonly AuditNote[]) => {
    if (isAway) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
    told.push(...notes.map(({ actor, subject }) => `${tenant} ${actor} ${subject}`));
  });
  const wanting = (scope: string): AuditNote => ({
    actor: 'user:ada',
    action: 'access.refused',
    subject: scope,
    data: {},
  });
  await expect(refused('acme', wanting('audit:read'))).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  isAway = false;
  for (const scope of ['audit:read', 'audit:read', 'events:read']) await refused('acme', wanting(scope));
  expect(told).toEqual(['acme user:ada audit:read', 'acme user:ada events:read']);
});

test('what is read is shown only once its entry is written, also to who asks while it is', async () => {
  let write = (): void => {};
  const tell = createContentReads(() => new Promise((resolve) => (write = resolve)));
  const shown: string[] = [];
  const reading = ['first', 'second'].map((one) => tell('acme', 'ada', 'ev_1').then(() => shown.push(one)));
  await new Promise((resolve) => setImmediate(resolve));
  expect(shown).toEqual([]);
  write();
  await Promise.all(reading);
  expect(shown).toEqual(['first', 'second']);
});
