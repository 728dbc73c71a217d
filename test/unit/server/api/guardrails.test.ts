import { SignJWT } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPolicyVersions } from '../../../../src/queue/records/policy-versions.ts';
import { remembering } from '../../../../src/workers/guardrails/http-guardrail.ts';
import { createFakeClock } from '../../../support/clock.ts';
import { type Gate, JWT_SECRET, openGate } from '../../../support/gate.ts';

let gate: Gate;
beforeEach(async () => {
  gate = await openGate();
});
afterEach(() => gate.stop());

async function invalidate(scope: string, tenant = 'default'): Promise<number> {
  const bearer = await new SignJWT({ tenant, scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const init = { method: 'POST', headers: { authorization: `Bearer ${bearer}` } };
  return (await gate.app.request('http://gate.test/guardrails/invalidate', init)).status;
}

test('an operator ends what was decided for a tenant, in every process that asks the store', async () => {
  const clock = createFakeClock();
  const { current } = createPolicyVersions(gate.store.records);
  const elsewhere = remembering(current, 1_000, clock.now);
  expect([await current('default'), await elsewhere('default'), await current('acme')]).toEqual([0, 0, 0]);

  expect(await invalidate('guardrails:write')).toBe(200);
  const first = await current('default');
  expect(first).not.toBe(0);
  expect(await elsewhere('default')).toBe(0);
  clock.advance(1_001);
  expect(await elsewhere('default')).toBe(first);
  expect(await current('acme')).toBe(0);

  expect(await invalidate('guardrails:write')).toBe(200);
  expect(await current('default')).not.toBe(first);
});

test('a store that answers slowly does not make what it said hold longer', async () => {
  const clock = createFakeClock();
  let answers = 0;
  const version = remembering(
    async () => {
      clock.advance(900);
      answers += 1;
      return answers;
    },
    1_000,
    clock.now,
  );
  expect(await version('default')).toBe(1);
  expect(await version('default')).toBe(1);
  clock.advance(101);
  expect(await version('default')).toBe(2);
});

test('nobody without the scope does', async () => {
  expect(await invalidate('budgets:write')).toBe(403);
  expect(await createPolicyVersions(gate.store.records).current('default')).toBe(0);
});
