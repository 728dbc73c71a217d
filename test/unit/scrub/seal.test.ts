import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import { createSealer, type SealBinding } from '../../../src/scrub/seal.ts';

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const sealer = (...keys: readonly Uint8Array[]) => createSealer(nodeCrypto, keys);

const here: SealBinding = { tenant: 'acme', eventId: 'ev_1', name: 'response_url' };
const capability = 'https://hooks.example.com/commands/T0/1/ünïcödé';

const openCode = (open: () => string): string => {
  try {
    return open();
  } catch (error) {
    return error instanceof SallyportError ? error.code : 'another error';
  }
};

describe('a sealed capability', () => {
  it('opens where it belongs, and shows nothing of what it is', () => {
    const { seal, open } = sealer(key(1));
    const sealed = seal(capability, here);
    expect(sealed).toMatch(/^v1\.[A-Za-z0-9_-]+$/);
    expect(Buffer.from(sealed.slice(3), 'base64url').includes('hooks')).toBe(false);
    expect(open(sealed, here)).toBe(capability);
  });

  it('reads differently every time', () => {
    const { seal } = sealer(key(1));
    expect(new Set(Array.from({ length: 50 }, () => seal(capability, here))).size).toBe(50);
  });

  it.each<[string, Partial<SealBinding>]>([
    ['another event', { eventId: 'ev_2' }],
    ['another tenant', { tenant: 'globex' }],
    ['another name', { name: 'conversation_reference' }],
    ['parts that join to the same text', { tenant: 'acme","ev_1', eventId: '' }],
  ])('does not open when it was moved to %s', (_, elsewhere) => {
    const { seal, open } = sealer(key(1));
    const sealed = seal(capability, here);
    expect(openCode(() => open(sealed, { ...here, ...elsewhere }))).toBe('ERR_SEAL_BROKEN');
  });

  it('does not open when a bit of it is another one, or a part is missing', () => {
    const { seal, open } = sealer(key(1));
    const sealed = seal(capability, here);
    const bytes = Buffer.from(sealed.slice(3), 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(openCode(() => open(`v1.${changed.toString('base64url')}`, here))).toBe('ERR_SEAL_BROKEN');
    }
    for (const text of ['', 'v1.', sealed.slice(3), `v2.${sealed.slice(3)}`, sealed.slice(0, -4), capability, 'v1.!']) {
      expect(openCode(() => open(text, here))).toBe('ERR_SEAL_BROKEN');
    }
  });
});

describe('rotation', () => {
  it('opens with every key that is left, seals with the first, and forgets what was dropped', () => {
    const old = sealer(key(1));
    const both = sealer(key(2), key(1));
    const fresh = sealer(key(2));
    const before = old.seal(capability, here);
    expect(both.open(before, here)).toBe(capability);
    const after = both.seal(capability, here);
    expect(fresh.open(after, here)).toBe(capability);
    expect(openCode(() => old.open(after, here))).toBe('ERR_SEAL_BROKEN');
    expect(openCode(() => fresh.open(before, here))).toBe('ERR_SEAL_BROKEN');
  });

  it('needs a key', () => {
    expect(openCode(() => sealer().seal(capability, here))).toBe('ERR_CONFIG_INVALID');
  });
});
