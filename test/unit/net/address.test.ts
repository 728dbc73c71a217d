import { describe, expect, it } from 'vitest';
import { addressKind } from '../../../src/net/guard/address.ts';

/** First and last address of every block, and their neighbours outside where those are public. */
const blocks: readonly [kind: string, first: string, last: string, before?: string | undefined, after?: string][] = [
  ['unspecified', '0.0.0.0', '0.255.255.255', undefined, '1.0.0.0'],
  ['private', '10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
  ['shared', '100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
  ['loopback', '127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
  ['link-local', '169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
  ['private', '172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
  ['reserved', '192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
  ['documentation', '192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
  ['anycast', '192.31.196.0', '192.31.196.255', '192.31.195.255', '192.31.197.0'],
  ['anycast', '192.52.193.0', '192.52.193.255', '192.52.192.255', '192.52.194.0'],
  ['transition', '192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
  ['private', '192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
  ['anycast', '192.175.48.0', '192.175.48.255', '192.175.47.255', '192.175.49.0'],
  ['benchmarking', '198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
  ['documentation', '198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
  ['documentation', '203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
  ['multicast', '224.0.0.0', '239.255.255.255', '223.255.255.255'],
  ['reserved', '240.0.0.0', '255.255.255.255'],
  ['transition', '::ffff:0:0', '::ffff:ffff:ffff'],
  ['transition', '::ffff:0:0:0', '::ffff:0:ffff:ffff'],
  ['transition', '::2', '::ffff:ffff'],
  ['transition', '64:ff9b::', '64:ff9b::ffff:ffff'],
  ['transition', '64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff'],
  ['reserved', '100::', '100::ffff:ffff:ffff:ffff'],
  ['transition', '2001::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff', '2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['reserved', '2001:1::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff', undefined, '2001:200::'],
  ['documentation', '2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db7:ffff::1', '2001:db9::'],
  ['transition', '2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:ffff::1', '2003::'],
  ['anycast', '2620:4f:8000::', '2620:4f:8000:ffff:ffff:ffff:ffff:ffff', '2620:4f:7fff::1', '2620:4f:8001::'],
  ['documentation', '3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff', '3ffe:ffff::1', '3fff:1000::'],
  ['reserved', '5f00::', '5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['private', 'fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['link-local', 'fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['private', 'fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['multicast', 'ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
];

describe('addressKind', () => {
  it.each(blocks)('knows the %s block %s to %s', (kind, first, last, before, after) => {
    expect(addressKind(first)).toBe(kind);
    expect(addressKind(last)).toBe(kind);
    for (const neighbour of [before, after]) if (neighbour !== undefined) expect(addressKind(neighbour)).toBe('public');
  });

  it.each([
    ['169.254.169.254'],
    ['100.100.100.200'],
    ['192.0.0.192'],
    ['168.63.129.16'],
    ['fd00:ec2::254'],
    ['fd20:ce::254'],
  ])('knows %s for the metadata service of a cloud', (address) => {
    expect(addressKind(address)).toBe('metadata');
  });

  it.each([
    '8.8.8.8',
    '168.63.129.15',
    '168.63.129.17',
    '2606:4700:4700::1111',
    '2001:4860:4860::8888',
    '2620:fe::fe',
    '2A00:1450:4001:0:0:0:0:1',
  ])('calls %s public', (address) => {
    expect(addressKind(address)).toBe('public');
  });

  it.each(['::', '::0', '0:0:0:0:0:0:0:0'])('calls %s unspecified', (address) => {
    expect(addressKind(address)).toBe('unspecified');
  });

  it.each([
    '2a00:1450:4001:1:0:5efe:127.0.0.1',
    '2a00:1450:4001:1:200:5efe:a9fe:a9fe',
    '2002:0808:0808::1',
    '64:ff9b::8.8.8.8',
    '::ffff:8.8.8.8',
    '::8.8.8.8',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
  ])('refuses %s whatever IPv4 address it carries', (address) => {
    expect(addressKind(address)).toBe('transition');
  });

  it.each(['4000::1', '1::', 'e000::1', '200::1'])('refuses %s, which nobody was given', (address) => {
    expect(addressKind(address)).toBe('reserved');
  });

  it.each([
    '',
    'localhost',
    '127.1',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '8.8.8',
    '8.8.8.8.',
    ' 8.8.8.8',
    '8.8.8.8\n',
    '[::1]',
    '2606:4700::1%eth0',
    'fe80::1%1',
    '08.8.8.8',
    '8.8.8.8/32',
    '256.1.1.1',
    '::ffff:1.2.3',
  ])('takes %j for no address at all', (address) => {
    expect(addressKind(address)).toBe('malformed');
  });
});
