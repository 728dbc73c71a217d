import type { ScriptedAnswer, ScriptedRedirect } from '../../../../src/net/guard/verdict.ts';
import { samples } from '../../../support/needs.ts';

export interface Case {
  readonly url: string;
  readonly expected: 'allowed' | 'blocked';
  readonly dns?: Readonly<Record<string, ScriptedAnswer>>;
  readonly redirect?: ScriptedRedirect;
}

const PUBLIC = '93.184.216.34';
const open = { 'open.example': [PUBLIC] };
const blocked = (url: string, dns: Case['dns'] = {}): Case => ({ url, expected: 'blocked', dns });
const allowed = (url: string, dns: Case['dns'] = {}): Case => ({ url, expected: 'allowed', dns });
const leadingTo = (location: string, dns: Case['dns'] = {}, status = 302): Case => ({
  url: 'http://open.example/start',
  expected: 'blocked',
  dns: { ...open, ...dns },
  redirect: { status, location },
});

/** Tricks by family; what the guard must know of each is in the test of its own part. */
export const cases: readonly Case[] = [
  allowed('https://open.example/', open),
  allowed('http://open.example:80/?next=http://10.0.0.1', open),
  allowed('https://open.example./', open),
  allowed('https://open.example/', { 'open.example.': [PUBLIC, '2606:2800:220:1::1'] }),
  allowed('https://größe.example/', { 'größe.example': [PUBLIC] }),
  allowed('https://open.example/', { 'open.example': { sequence: [[PUBLIC], ['1.1.1.1']] } }),
  allowed('https://9.9.9.9/'),
  allowed('https://[2620:fe::9]/'),
  { ...leadingTo('/end'), expected: 'allowed' },
  { ...leadingTo('https://two.example/', { 'two.example': ['1.1.1.1'] }), expected: 'allowed' },
  { ...leadingTo('http://10.0.0.1/', {}, 200), expected: 'allowed' },

  ...[
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '10.0.0.1',
    '172.20.0.1',
    '192.168.0.1',
    '169.254.169.254',
    '100.100.100.200',
  ].flatMap((ip) => [blocked(`http://${ip}/`), blocked('http://points.example/', { 'points.example': [ip] })]),
  ...[
    '::1',
    '::',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '2002:a00:1::',
    '2001::a00:1',
    'fd00::1',
    'fe80::1',
    'ff02::1',
  ].flatMap((ip) => [blocked(`http://[${ip}]/`), blocked('http://points.example/', { 'points.example': [ip] })]),
  ...[
    '127.1',
    '0177.0.0.1',
    '0x7f.1',
    '2130706433',
    '0x7f000001',
    '127.0.0.1.',
    '１２７.0.0.1',
    '127。0。0。1',
    '%31%32%37.0.0.1',
  ].map((host) => blocked(`http://${host}/`)),
  ...[
    'localhost',
    'LOCALHOST',
    'localhost.',
    'x.localhost',
    'loc%61lhost',
    'lo\u00adcalhost',
    'redis',
    'db.internal',
  ].map((host) => blocked(`http://${host}/`, { [host]: ['127.0.0.1'] })),
  ...[
    'http://u:p@open.example/',
    'http://open.example\\@10.0.0.1/',
    'http://open.example#@10.0.0.1/',
    'http:open.example',
  ].map((url) => blocked(url, open)),
  ...['ftp', 'file', 'gopher', 'dict', 'ldap', 'jar:http', 'ws', 'http+unix'].map((scheme) =>
    blocked(`${scheme}://open.example/`, open),
  ),
  blocked('http://open.example:6379/', open),
  blocked('http://\topen.example/', open),
  blocked('http://[fe80::1%25eth0]/'),
  blocked('http://nowhere.example/'),
  blocked('http://mixed.example/', { 'mixed.example': [PUBLIC, '10.0.0.1'] }),
  blocked('http://mixed.example/', { 'mixed.example': ['2606:2800:220:1::1', '::1'] }),
  blocked('http://odd.example/', { 'odd.example': ['0x7f.1'] }),
  blocked('http://odd.example/', { 'odd.example': ['fe80::1%eth0'] }),
  blocked('http://odd.example/', { 'odd.example': ['open.example'], ...open }),
  blocked('http://flips.example/', { 'flips.example': { sequence: [[PUBLIC], ['127.0.0.1']] } }),
  blocked('http://flips.example/', { 'flips.example': { sequence: [['127.0.0.1'], [PUBLIC]] } }),
  blocked('http://flips.example/', { 'flips.example': { sequence: [[PUBLIC], [PUBLIC], [PUBLIC, '10.0.0.1']] } }),
  blocked('http://flips.example/', { 'flips.example': { sequence: [] } }),

  ...[301, 302, 303, 307, 308].map((status) => leadingTo('http://169.254.169.254/latest/', {}, status)),
  ...[
    '//10.0.0.1/',
    '/\\10.0.0.1',
    'http://localhost/',
    'http://2130706433/',
    'gopher://open.example/',
    '//a@open.example/',
  ].map((location) => leadingTo(location)),
  leadingTo('http://two.example/', { 'two.example': ['10.0.0.1'] }),
  leadingTo('http://two.example/', { 'two.example': { sequence: [[PUBLIC], ['10.0.0.1']] } }),
  leadingTo('/again', { 'open.example': { sequence: [[PUBLIC], ['10.0.0.1']] } }),
];

/** More cases of the same shape. */
export const collectedCases = samples('corpora/ssrf-dev.json');
