import { looksRandom } from '../randomness.ts';
import { STAND_IN } from './command-lines.ts';
import type { TokenRule } from './rule.ts';

const isPassword = (password: string): boolean => !STAND_IN.test(password);

/** Programs that take a password as an argument of their own, by their manuals. */
export const moreCommandRules: readonly TokenRule[] = [
  // sqlcmd and bcp; zip and unzip.
  {
    name: 'command-password',
    anchors: ['sqlcmd ', 'bcp ', 'unzip ', 'zip '],
    pattern: /((?:sqlcmd|bcp|unzip|zip) (?:[^\n]{0,160}? )?-P ["']?)[^\s"'-][^\s"']{3,128}/y,
    accept: isPassword,
  },
  // 7-Zip: right behind the letter.
  {
    name: 'command-password',
    anchors: ['7z ', '7za '],
    pattern: /(7za? (?:[^\n]{0,160}? )?-p["']?)[^\s"'-][^\s"']{3,128}/y,
    accept: isPassword,
  },
  // SQL*Plus and Oracle's thin driver: user, slash, password, then `@` and the database.
  {
    name: 'command-password',
    anchors: ['sqlplus ', 'jdbc:oracle:'],
    pattern: /((?:sqlplus (?:-\w{1,3} ){0,3}|jdbc:oracle:\w{2,5}:)["']?[\w.$-]{1,64}\/)[^\s"'@/]{3,128}/y,
    accept: isPassword,
  },
  // Samba: user, `%`, password.
  {
    name: 'command-password',
    anchors: ['smbclient ', 'rpcclient ', 'smbmap '],
    pattern: /((?:smbclient|rpcclient|smbmap) (?:[^\n]{0,160}? )?-U ["']?[\w.\\@-]{1,64}%)[^\s"']{4,128}/y,
    accept: isPassword,
  },
  // Windows: `net use … /user:bob …`, `net user bob …`; FreeRDP.
  {
    name: 'command-password',
    anchors: ['net use ', 'net user ', 'freerdp '],
    pattern:
      /((?:net use (?:[^\n]{0,120}? )?\/user:\S{1,64} |net user [\w.-]{1,64} |freerdp (?:[^\n]{0,160}? )?\/p:)["']?)[^\s"'/][^\s"']{3,128}/iy,
    boundary: 'none',
    accept: isPassword,
  },
  {
    name: 'command-password',
    anchors: ['htpasswd '],
    pattern: /(htpasswd -[A-Za-z]{0,8}b[A-Za-z]{0,8} (?:[^\s"']{1,80} ){1,2}["']?)[^\s"']{4,128}/y,
    accept: isPassword,
  },
  // openssl enc -k; HTTPie -a user:password; gh secret set; redis.conf.
  {
    name: 'command-password',
    anchors: ['openssl ', 'http -a ', 'https -a ', 'secret set ', 'requirepass ', 'masterauth '],
    pattern:
      /((?:openssl [^\n]{1,160}? -k |https? -a [^\s:"']{1,64}:|secret set \w{1,64} (?:[^\n]{0,80}? )?(?:--body|-b)[ =]|requirepass |masterauth )["']?)[^\s"'-][^\s"']{3,255}/y,
    accept: isPassword,
  },
  // What is piped into chpasswd or into the login of a registry.
  {
    name: 'command-password',
    anchors: ['echo '],
    pattern:
      /(echo (?:-n )?["']?(?:[\w.-]{1,32}:)?)[^\s"'$:]{4,512}(?=["']? {0,2}\| {0,2}(?:sudo )?(?:chpasswd|\w{2,16} login ))/y,
    accept: isPassword,
  },
  // PowerShell.
  {
    name: 'command-password',
    anchors: ['securestring '],
    pattern: /(SecureString (?:-String )?["'])[^"'\n$]{4,128}(?=["'])/iy,
    boundary: 'none',
    accept: isPassword,
  },
  // Calls that take a user and a password.
  {
    name: 'basic-auth',
    anchors: ['basicauth(', 'auth=(', 'credentials(', 'credential('],
    pattern: /((?:BasicAuth|auth=|Credentials?)\(["'][^"'\n]{1,64}["'],\s{0,2}["'])[^"'\n]{4,128}(?=["'])/iy,
    boundary: 'none',
    accept: isPassword,
  },
  // Links by which whoever has them joins, signs in or sets a new password.
  {
    name: 'url-token',
    anchors: ['/invite/', '/reset', '/magic', '/activate/', '/verify', '/confirm'],
    pattern:
      /(\/(?:invite|reset|reset[-_]password|password[-_]reset|magic|magic[-_]link|activate|verify|verify[-_]email|confirm|confirm[-_]email)\/)[A-Za-z0-9_-]{22,200}/y,
    boundary: 'none',
    accept: (token) => looksRandom(token, 18) && /[g-zG-Z]/.test(token),
  },
];
