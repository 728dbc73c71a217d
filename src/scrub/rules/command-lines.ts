import { looksRandom } from '../randomness.ts';
import type { ContextRule, Report, TokenRule } from './rule.ts';

/** Words that stand for a credential in examples. */
export const STAND_IN =
  /^(?:\$.*|%.*%|<.*|\{.*|\[.*|\*+|x+|\.+|pass(?:word|wd)?|pwd|secret|token|api_?key|user(?:name)?|test|change(?:me|it))$/i;

/** The manuals of the commands named. */
export const commandLineRules: readonly TokenRule[] = [
  // sshpass(1), and the short forms of others that take a password right behind the letter or after a blank.
  {
    name: 'command-password',
    anchors: ['sshpass '],
    pattern: /(sshpass\s{1,4}-p\s{0,4}["']?)[^\s"']{4,128}/iy,
    accept: (password) => !STAND_IN.test(password),
  },
  {
    name: 'command-password',
    anchors: ['mysql ', 'mysqldump ', 'mysqladmin ', 'mariadb '],
    pattern: /((?:mysql|mysqldump|mysqladmin|mariadb) (?:[^\n]{0,160}? )?-p["']?)[^\s"'-][^\s"']{3,128}/iy,
    accept: (password) => !STAND_IN.test(password),
  },
  {
    name: 'command-password',
    anchors: [
      'docker login',
      'podman login',
      'helm registry login',
      'az login',
      'oc login',
      'redis-cli ',
      'ldapsearch ',
    ],
    pattern:
      /((?:docker|podman|helm registry|az|oc) login (?:[^\n]{0,160}? )?-p[ =]["']?|redis-cli (?:[^\n]{0,160}? )?-a ["']?|ldapsearch (?:[^\n]{0,160}? )?-w ["']?)[^\s"'-][^\s"']{3,128}/iy,
    accept: (password) => !STAND_IN.test(password),
  },
  // What these ask for is a token, and it stands right behind.
  {
    name: 'command-token',
    anchors: [
      ...['snyk auth ', 'snyk config set api=', 'wandb login ', 'codecov -t ', 'cargo login ', 'vault login '],
      ...['operator unseal ', 'unseal key ', 'ngrok authtoken ', 'add-authtoken ', 'doppler configure set token '],
    ],
    pattern:
      /((?:snyk (?:auth |config set api=)|wandb login |codecov -t |cargo login |vault login |operator unseal |unseal key \d{1,2}: |ngrok authtoken |add-authtoken |doppler configure set token )["']?)[A-Za-z0-9+/=_.-]{20,200}/iy,
    accept: (token) => looksRandom(token, 12) || UUID.test(token),
  },
  // The text of a QR code with which telephones join a network.
  {
    name: 'wifi-password',
    anchors: ['wifi:'],
    pattern: /(WIFI:(?:[A-OQ-Z]:[^;\n]{0,64};){1,4}P:)[^;\s]{4,63}(?=;)/iy,
    accept: (password) => !STAND_IN.test(password),
  },
  // openssl(1), "Pass phrase options"; smbclient(1).
  {
    name: 'command-password',
    anchors: ['pass:'],
    pattern: /(pass(?:in|out)? pass:)[^\s"']{4,128}/iy,
    accept: (password) => !STAND_IN.test(password),
  },
  // SQL: users and roles.
  {
    name: 'sql-password',
    anchors: ['identified by', 'identified with', 'with password', 'encrypted password', 'set password'],
    pattern:
      /((?:identified (?:with \w{1,32} )?by|with (?:encrypted )?password|encrypted password|set password(?: for [^\n=]{1,80})?)\s{0,4}=?\s{0,4}(?:password\()?["'])[^"'\n]{3,128}(?=["'])/iy,
    accept: (password) => !STAND_IN.test(password),
  },
  // .netrc: `machine … login … password …`; pgpass: host:port:database:user:password.
  {
    name: 'netrc-password',
    anchors: ['machine ', 'default '],
    pattern:
      /((?:machine\s{1,8}\S{1,128}|default)\s{1,8}login\s{1,8}\S{1,128}\s{1,8}password\s{1,8})[^\s"'{<]\S{2,127}/iy,
    accept: (password) => !STAND_IN.test(password),
  },
  {
    name: 'pgpass-password',
    anchors: [':5432:'],
    pattern: /(:5432:[^\s:]{1,64}:[^\s:]{1,64}:)[^\s:]{3,128}/y,
    boundary: 'none',
    accept: (password) => !STAND_IN.test(password),
  },
  // WordPress salts and keys: define('AUTH_KEY', '64 printable characters').
  {
    name: 'wordpress-salt',
    anchors: ["_key'", "_salt'", '_key"', '_salt"'],
    pattern: /(_(?:KEY|SALT)["'],\s{1,16}["'])[\x20-\x26\x28-\x7e]{40,100}(?=["'])/y,
    boundary: 'none',
  },
];

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const USER_OPTION = /(?:-u|--user|--proxy-user|-U)(?:=|[ \t]{0,4})/y;
const ONE_QUOTED = /(["'])([^\n"':]{0,128}):([^\n"']{0,256})\1/y;
const BARE = /([^\s:"']{0,128}|"[^"\n:]{1,64}"|'[^'\n:]{1,64}'):("[^"\n]{1,128}"|'[^'\n]{1,128}'|[^\s"']{0,256})/y;

/** curl(1) and those that copied it: `-u user:password`, in any quoting; `user:` is a key without a password. */
export const curlUser: ContextRule = {
  names: ['command-password'],
  anchors: [' -u', '\n-u', '\t-u', '--user', '--proxy-user', ' -U'].map((anchor) => anchor.toLowerCase()),
  open(text, report) {
    const firstCommand = text.search(/\b(?:curl|http|https|wget|xh|ab|httpie)\b/);
    return (anchorStart, anchorEnd) => {
      if (firstCommand === -1 || anchorStart < firstCommand) return;
      USER_OPTION.lastIndex = anchorStart + (/\s/.test(text[anchorStart] as string) ? 1 : 0);
      if (USER_OPTION.test(text) && USER_OPTION.lastIndex >= anchorEnd)
        hideCredential(text, USER_OPTION.lastIndex, report);
    };
  },
};

function hideCredential(text: string, at: number, report: Report): void {
  ONE_QUOTED.lastIndex = at;
  BARE.lastIndex = at;
  const quoted = ONE_QUOTED.exec(text);
  const match = quoted ?? BARE.exec(text);
  if (match === null) return;
  const user = (quoted === null ? match[1] : match[2]) ?? '';
  const password = (quoted === null ? match[2] : match[3]) ?? '';
  const passwordEnd = at + match[0].length - (quoted === null ? 0 : 1);
  const plain = password.replace(/^["']|["']$/g, '');
  const margin = plain.length === password.length ? 0 : 1;
  if ((/^\d+$/.test(user) && /^\d*$/.test(plain)) || plain.startsWith('//')) return;
  if (plain.length >= 3 && !STAND_IN.test(plain)) {
    report({
      rule: 'command-password',
      start: passwordEnd - password.length + margin,
      end: passwordEnd - margin,
      rank: 1,
    });
  }
  if (looksRandom(user, 10) || (plain === '' && user.length >= 8 && looksRandom(user, 6))) {
    const start = at + (quoted === null ? 0 : 1);
    report({ rule: 'command-password', start, end: start + user.length, rank: 1 });
  }
}
