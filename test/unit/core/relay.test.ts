import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { toHex, toUtf8 } from '../../../src/core/crypto/encoding.ts';
import {
  createRelayEpoch,
  createRelayKeys,
  readRelayHead,
  relayEpochStart,
  signEdgeRequest,
  signRelayAnswer,
  signRelayRequest,
  verifyEdgeRequest,
  verifyRelayAnswer,
  verifyRelayRequest,
} from '../../../src/core/relay.ts';

/** The vector of docs/edge.md. */
const KEY = Buffer.from('AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=', 'base64');
const BODY = toUtf8('{"v":1,"tenant":"acme","shard":"acme/3","epoch":"mf2k1x00-q83vEjRW","attempt":7,"events":[]}');
const AT = 1_796_000_000_000;
const NONCE = 'AAECAwQFBgcICQoLDA0ODw';
const SIGNATURE = 'v1,Melwm_0_aFeLrX_PuQBOIwPlDxLO53xl9PwvgWaDqac';
const ANSWER = { nonce: NONCE, status: 200, body: '{"v":1,"results":[]}' };
const ANSWER_SIGNATURE = 'v1,yQ-bmG2J57Q_2qaAnm9_YKB6vG-BXKF_R3UdU4NpjcE';

const keys = createRelayKeys([KEY], nodeCrypto);
const otherKey = Buffer.alloc(32, 7);
const others = createRelayKeys([otherKey], nodeCrypto);
const signed = signRelayRequest(BODY, AT, keys, nodeCrypto, NONCE).headers;

const check = (
  changes: Readonly<Record<string, string | null>> = {},
  { body = BODY, now = AT, by = keys }: { body?: Uint8Array; now?: number; by?: typeof keys } = {},
): string => {
  const headers = new Headers(signed);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) headers.delete(`x-sallyport-relay-${name}`);
    else headers.set(`x-sallyport-relay-${name}`, value);
  }
  return verifyRelayRequest(readRelayHead(headers, now), body, by, nodeCrypto);
};

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'none';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('the vector of the protocol', () => {
  test('holds for the keys', () => {
    expect([keys[0].id, toHex(keys[0].mac)]).toEqual([
      '0hT8z31w',
      '8dd297bbd238d3c37c9af9450d12faf5895d4b1448825ea1fe7e53c4633cc9bc',
    ]);
  });

  test('holds for a request', () => {
    expect(nodeCrypto.sha256Hex(BODY)).toBe('20ef1ecc2139bd968c78d975100a42f8aa67cf22f9be1c286e5d6a8520d77cce');
    expect(signed).toEqual({
      'content-type': 'application/json',
      'x-sallyport-relay-version': '1',
      'x-sallyport-relay-timestamp': '1796000000',
      'x-sallyport-relay-nonce': NONCE,
      'x-sallyport-relay-key': '0hT8z31w',
      'x-sallyport-relay-signature': SIGNATURE,
    });
    expect(check()).toBe('0hT8z31w');
  });

  test('holds for an answer', () => {
    expect(nodeCrypto.sha256Hex(ANSWER.body)).toBe('a0cbe2026b3a26920c87ce7c20460f8b69ee690fb495b43c924fcf84efc33960');
    expect(signRelayAnswer(ANSWER, keys, nodeCrypto)).toBe(ANSWER_SIGNATURE);
    expect(verifyRelayAnswer(ANSWER_SIGNATURE, { ...ANSWER, body: toUtf8(ANSWER.body) }, keys, nodeCrypto)).toBe(true);
  });

  test('is what another implementation makes of it', () => {
    const mac = createHmac('sha256', KEY).update('sallyport-relay.v1.mac').digest();
    const lines = ['sallyport-relay-request.v1', 'POST', '/relay', '1796000000', NONCE];
    const base = [...lines, createHash('sha256').update(BODY).digest('hex')].join('\n');
    expect(`v1,${createHmac('sha256', mac).update(base).digest('base64url')}`).toBe(SIGNATURE);
  });
});

describe('a request is refused', () => {
  test.each([
    ['without a version', { version: null }, 'ERR_RELAY_VERSION'],
    ['of version 2', { version: '2' }, 'ERR_RELAY_VERSION'],
    ['of version 01', { version: '01' }, 'ERR_RELAY_VERSION'],
    ['with two versions', { version: '1, 1' }, 'ERR_RELAY_VERSION'],
    ['without a timestamp', { timestamp: null }, 'ERR_SIGNATURE_MISSING'],
    ['without a nonce', { nonce: null }, 'ERR_SIGNATURE_MISSING'],
    ['without a signature', { signature: null }, 'ERR_SIGNATURE_MISSING'],
    ['with a timestamp in milliseconds', { timestamp: '1796000000000' }, 'ERR_TIMESTAMP_MALFORMED'],
    ['with a fraction in its timestamp', { timestamp: '1796000000.0' }, 'ERR_TIMESTAMP_MALFORMED'],
    ['with a leading zero in its timestamp', { timestamp: '01796000000' }, 'ERR_TIMESTAMP_MALFORMED'],
    ['with a later timestamp', { timestamp: '1796000001' }, 'ERR_SIGNATURE_MISMATCH'],
    ['with a short nonce', { nonce: NONCE.slice(1) }, 'ERR_SIGNATURE_MALFORMED'],
    ['with a nonce in base64', { nonce: `${NONCE.slice(1)}+` }, 'ERR_SIGNATURE_MALFORMED'],
    ['with another nonce', { nonce: `B${NONCE.slice(1)}` }, 'ERR_SIGNATURE_MISMATCH'],
    ['with a signature of another version', { signature: SIGNATURE.replace('v1', 'v2') }, 'ERR_SIGNATURE_MALFORMED'],
    ['with two signatures', { signature: `${SIGNATURE}, ${SIGNATURE}` }, 'ERR_SIGNATURE_MALFORMED'],
    ['with the signature of an answer', { signature: ANSWER_SIGNATURE }, 'ERR_SIGNATURE_MISMATCH'],
    // Its last character holds two bits that count for nothing: another spelling of the same bytes.
    ['with another spelling of its signature', { signature: SIGNATURE.replace(/c$/, 'd') }, 'ERR_SIGNATURE_MISMATCH'],
  ])('%s', (_, changes, code) => {
    expect(codeOf(() => check(changes))).toBe(code);
  });

  test('whichever bit of the body is flipped', () => {
    fc.assert(
      fc.property(fc.nat(BODY.length * 8 - 1), (bit) => {
        const body = Uint8Array.from(BODY);
        body[bit >> 3] = (body[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(codeOf(() => check({}, { body }))).toBe('ERR_SIGNATURE_MISMATCH');
      }),
    );
  });

  test('with another key, whatever key it names', () => {
    expect(codeOf(() => check({}, { by: others }))).toBe('ERR_SIGNATURE_MISMATCH');
    expect(codeOf(() => check({ key: others[0].id }, { by: others }))).toBe('ERR_SIGNATURE_MISMATCH');
  });

  test.each([
    [-300, 'none'],
    [-301, 'ERR_TIMESTAMP_OUTSIDE_TOLERANCE'],
    [300, 'none'],
    [301, 'ERR_TIMESTAMP_OUTSIDE_TOLERANCE'],
  ])('by a clock that is %i s away: %s', (seconds, code) => {
    expect(codeOf(() => check({}, { now: AT + seconds * 1000 }))).toBe(code);
  });
});

test('the name of the key decides nothing', () => {
  expect(check({ key: 'AAAAAAAA' })).toBe('0hT8z31w');
  expect(check({ key: null })).toBe('0hT8z31w');
  expect(readRelayHead(new Headers({ ...signed, 'x-sallyport-relay-key': 'a b' }), AT).keyId).toBeUndefined();
});

test('the first key signs and every key verifies, at any place of the list', () => {
  for (const list of [
    [KEY, otherKey],
    [otherKey, KEY],
  ]) {
    const both = createRelayKeys(list, nodeCrypto);
    expect(check({}, { by: both })).toBe('0hT8z31w');
    const { headers } = signRelayRequest(BODY, AT, both, nodeCrypto);
    expect(headers['x-sallyport-relay-key']).toBe(both[0].id);
    expect(verifyRelayAnswer(signRelayAnswer(ANSWER, others, nodeCrypto), ANSWER, both, nodeCrypto)).toBe(true);
  }
});

test('each try has its own nonce', () => {
  const nonces = Array.from({ length: 100 }, () => signRelayRequest(BODY, AT, keys, nodeCrypto).nonce);
  expect(new Set(nonces).size).toBe(100);
  expect(nonces.every((nonce) => /^[\w-]{22}$/.test(nonce))).toBe(true);
});

test.each([
  ['no signature', null, ANSWER],
  ['an empty one', '', ANSWER],
  ['that of the request', SIGNATURE, ANSWER],
  ['another status', ANSWER_SIGNATURE, { ...ANSWER, status: 201 }],
  ['another request’s nonce', ANSWER_SIGNATURE, { ...ANSWER, nonce: `B${NONCE.slice(1)}` }],
  ['another body', ANSWER_SIGNATURE, { ...ANSWER, body: '{"v":1,"results":[] }' }],
  ['two signatures', `${ANSWER_SIGNATURE}, ${ANSWER_SIGNATURE}`, ANSWER],
])('an answer with %s is not proven', (_, signature, answer) => {
  expect(verifyRelayAnswer(signature, answer, keys, nodeCrypto)).toBe(false);
});

test('an answer of another key is not proven', () => {
  expect(verifyRelayAnswer(ANSWER_SIGNATURE, ANSWER, others, nodeCrypto)).toBe(false);
});

test('keys must be there, and of 32 bytes', () => {
  expect(codeOf(() => createRelayKeys([], nodeCrypto))).toBe('ERR_CONFIG_INVALID');
  expect(codeOf(() => createRelayKeys([KEY, KEY.subarray(1)], nodeCrypto))).toBe('ERR_CONFIG_INVALID');
});

test('an epoch tells when it began, and a text that is not one tells nothing', () => {
  expect(relayEpochStart('mf2k1x00-q83vEjRW')).toBe(Number.parseInt('mf2k1x00', 36));
  expect(relayEpochStart(createRelayEpoch(AT, nodeCrypto))).toBe(AT);
  for (const text of ['', 'mf2k1x00', 'mf2k1x00-', 'mf2k1x0-q83vEjRW', '0f2k1x00-q83vEjRW', 'MF2K1X00-q83vEjRW']) {
    expect(relayEpochStart(text)).toBeNull();
  }
});

test('SHA-256 holds for the cases of FIPS 180-4, as text and as bytes', () => {
  const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect([nodeCrypto.sha256Hex('abc'), nodeCrypto.sha256Hex(toUtf8('abc'))]).toEqual([expected, expected]);
  expect(nodeCrypto.sha256Hex('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(nodeCrypto.sha256Hex('ü')).toBe(createHash('sha256').update('ü', 'utf8').digest('hex'));
});

describe('a request of an operator to the edge', () => {
  const target = { method: 'POST', path: '/outbox/ev_1/drop' };
  const none = new Uint8Array();
  const headOf = (headers: Readonly<Record<string, string>>) => readRelayHead(new Headers(headers), AT);
  const sent = headOf(signEdgeRequest(target, AT, keys, nodeCrypto));

  test('is known by the key that signed it, whichever of the keys that is', () => {
    const both = createRelayKeys([otherKey, KEY], nodeCrypto);
    expect(verifyEdgeRequest(sent, target, none, both, nodeCrypto)).toBe('0hT8z31w');
  });

  test.each([
    ['another path', { ...target, path: '/outbox/ev_2/drop' }, none],
    ['another method', { ...target, method: 'GET' }, none],
    ['a body', target, toUtf8('{}')],
  ])('is refused with %s', (_, other, body) => {
    expect(codeOf(() => verifyEdgeRequest(sent, other, body, keys, nodeCrypto))).toBe('ERR_SIGNATURE_MISMATCH');
  });

  test('and one to the relay are never taken for each other, though all else be the same', () => {
    const relay = { method: 'POST', path: '/relay' };
    const toEdge = headOf(signEdgeRequest(relay, AT, keys, nodeCrypto));
    const toRelay = headOf(signRelayRequest(none, AT, keys, nodeCrypto).headers);
    expect(codeOf(() => verifyRelayRequest(toEdge, none, keys, nodeCrypto))).toBe('ERR_SIGNATURE_MISMATCH');
    expect(codeOf(() => verifyEdgeRequest(toRelay, relay, none, keys, nodeCrypto))).toBe('ERR_SIGNATURE_MISMATCH');
    expect(verifyRelayRequest(toRelay, none, keys, nodeCrypto)).toBe('0hT8z31w');
    expect(verifyEdgeRequest(toEdge, relay, none, keys, nodeCrypto)).toBe('0hT8z31w');
  });
});
