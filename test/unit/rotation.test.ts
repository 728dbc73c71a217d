import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createSealer } from '../../src/scrub/seal.ts';
import { createApiVerifier } from '../../src/server/api/token.ts';

/** The steps of a setting in docs/operations.md, in order. */
function stepsOf(setting: string): string[] {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8');
  const row = page.split('\n').find((line) => line.startsWith(`| \`${setting}\``) && line.includes(' → '));
  return (row?.split('|')[2] ?? '').split('→').map((step) => step.trim());
}

/** While processes restart one by one, each step's processes meet those of the next one: in both directions. */
const meetings = (steps: readonly string[]): [string, string][] =>
  steps.slice(1).flatMap((next, at): [string, string][] => [
    [steps[at] ?? '', next],
    [next, steps[at] ?? ''],
  ]);

const keys: Readonly<Record<string, Uint8Array>> = { old: new Uint8Array(32).fill(1), new: new Uint8Array(32).fill(2) };
const named = (step: string): string[] =>
  [...step.matchAll(/`([a-z,]+)`/g)].flatMap(([, list = '']) => list.split(','));

describe('SALLYPORT_SEAL_KEY', () => {
  const sealer = (step: string) =>
    createSealer(
      nodeCrypto,
      named(step).map((name) => keys[name] ?? new Uint8Array()),
    );
  const binding = { tenant: 'acme', eventId: 'ev_1', name: 'response_url' };
  const opens = (sealing: string, opening: string): boolean => {
    try {
      return sealer(opening).open(sealer(sealing).seal('capability', binding), binding) === 'capability';
    } catch {
      return false;
    }
  };

  test.each(meetings(stepsOf('SALLYPORT_SEAL_KEY').slice(0, 3)))('what %s seals, %s opens', (sealing, opening) => {
    expect(opens(sealing, opening)).toBe(true);
  });

  test('has four steps; the last one is safe for what is sealed since the one before, and no step can be left out', () => {
    const [first = '', second = '', third = '', last = '', ...more] = stepsOf('SALLYPORT_SEAL_KEY');
    expect(more).toEqual([]);
    expect([opens(third, last), opens(last, third)]).toEqual([true, true]);
    expect([opens(third, first), opens(second, last)]).toEqual([false, false]);
  });
});

describe('SALLYPORT_JWT_SECRET', () => {
  const secret = (name = ''): string => `${name}-secret-of-at-least-thirty-two-bytes`;
  const clock = () => Date.now();
  const accepts = async (minting: string, verifying: string): Promise<boolean> => {
    const [first] = named(minting);
    const token = await new SignJWT({ tenant: 'acme', scope: 'events:read' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('ada')
      .setIssuedAt()
      .setExpirationTime('10m')
      .sign(Buffer.from(secret(first)));
    const [current, ...previous] = named(verifying);
    const api = { jwtSecret: secret(current), jwtPreviousSecrets: previous.map(secret) };
    const verify = createApiVerifier(api, null, clock);
    if (verify === null) throw new Error('there is no secret');
    return verify(token).then(
      () => true,
      () => false,
    );
  };

  test.each(meetings(stepsOf('SALLYPORT_JWT_SECRET').slice(0, 3)))(
    'a token of %s is accepted by %s',
    async (...pair) => {
      expect(await accepts(...pair)).toBe(true);
    },
  );

  test('has four steps, of which none can be left out', async () => {
    const [first = '', second = '', third = '', last = '', ...more] = stepsOf('SALLYPORT_JWT_SECRET');
    expect(more).toEqual([]);
    expect(await accepts(third, last)).toBe(true);
    expect([await accepts(third, first), await accepts(second, last)]).toEqual([false, false]);
  });
});
