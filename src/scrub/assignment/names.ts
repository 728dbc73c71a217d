import { trimEndOf } from '../../core/text/cap.ts';
import { VENDORS } from './vendors.ts';

/**
 * What a name says about the value it stands for:
 * - `password`: chosen by a person, so the value may be a word and short;
 * - `secret`: generated, so the value must look it;
 * - `code`: a few digits;
 * - `weak`: a key, a login, a hash or a vendor's name; only long and clearly generated values count.
 */
export type NameKind = 'password' | 'secret' | 'code' | 'weak';

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));

const PASSWORD = words(
  `password passwords passwd passwort passphrase passcode pass pwd pword psw pw userpass userpassword dbpassword dbpass
  dbpasswd rootpassword adminpassword mypassword pgpassword mysqlpwd sshpass keypass storepass keystorepass
  truststorepass psk wpapsk requirepass masterauth bindpw rootpw apipass contrasena contraseña contrasenya clave senha kennwort
  wachtwoord lösenord losenord passord adgangskode kodeord salasana hasło haslo heslo jelszó jelszo parola parolă şifre
  sifre lozinka geslo mdp motdepasse пароль парола лозинка`,
);

const SECRET = words(
  `secret secrets token tokens apikey apikeys apitoken apisecret appkey appsecret authtoken authkey authtok accesstoken
  accesskey accesskeys secretkey secretkeys privatekey signingkey signingsecret encryptionkey masterkey sharedkey
  sharedsecret clientsecret clientkey accountkey storagekey servicekey subscriptionkey functionkey hostkey adminkey
  licensekey licencekey deploykey presharedkey webhooksecret jwtsecret sessionsecret cookiesecret refreshtoken
  bearertoken idtoken bottoken usertoken slacktoken githubtoken npmtoken csrftoken xsrftoken roottoken sessiontoken
  sessionid sessionkey sessid phpsessid jsessionid aspsessionid connectsid sid credential credentials creds
  authorization proxyauthorization bearer jwt dsn sas sig signature hmac seed mnemonic passwordhash
  secretaccesskey hapikey crumb cookie cookies recoverykey unsealkey secretid codeverifier`,
);

const CODE = words('pin otp totp cvv cvc cvv2 passcode');

/** Words that make `key` a secret when they stand before it. */
const KEY_KINDS = words(
  `api app access secret private priv signing sign encryption encrypt crypto cipher master shared account storage service
  subscription function admin license licence auth authentication client server session cookie webhook hmac jwt aes rsa
  ec des application ssh pgp gpg root deploy deployment write ingest ingestion insert integration routing project team workspace org
  organization developer dev prod live test merchant publishable sandbox rest http https basic bearer login user db
  database bot channel consumer customer tenant partner device host relay push server fcm sms smtp mail email payment
  billing wallet trading exchange recovery unseal seal data symmetric preshared psk wpa wep network`,
);

const WEAK = words('key keys auth authentication access login logins pat salt code roleid hook webhook');

/** Words that may follow the telling word without changing what it means; numbers and single letters may too. */
const NEUTRAL_AFTER = words(
  `value val string str text plain cleartext plaintext raw prod production dev development stage staging test testing qa
  uat live sandbox new old current previous prev next backup primary secondary default main base64 b64 hex env var
  variable data encoded enc decoded json here header param readonly write admin user root local remote final temp tmp eu
  us ap de uk private live base global internal external query cfg config conf setting secret token key password`,
);

/** Words after the telling word that make it a name for something else: `token_type`, `password_field`, `key_id`. */
const NEUTRALISING_AFTER = words(
  `id ids name names url uri urls uris path paths file files filename dir directory type types kind length len size count
  counts num number chars charset index idx at on time date timestamp ttl expires expiry expiration expire expired age
  lifetime scope scopes status state field fields label labels prefix suffix format policy policies rotation version
  versions provider providers endpoint host hosts port hint help placeholder method mode required optional enabled
  disabled valid invalid validity limit limits regex pattern rule rules algorithm alg algo usage used budget cost price
  manager store stores vault ref reference refs alias aliases pair ring board code codes word frame frames press event
  events handler selector schema map mapping mappings table column row list array set group groups class factory service
  client server generator gen parser validator verifier checker strength reset change changed update updated created
  rotated arn owner issuer audience subject title description desc comment message error errors failed failure success
  attempt attempts retry less based protected location input output form page view screen modal dialog button icon link
  css color template spec tests example examples sample doc docs verification`,
);

/** Words before it that do: `public_key`, `next_page_token`, `primary_key`. */
const NEUTRALISING_BEFORE = words(
  `public pub foreign primary partition sort range index idx composite natural unique cache caching lookup group grouping
  dedupe deduplication idempotency idempotent page paging pagination nextpage sync delta continuation continue cursor skip
  offset start end stop eos bos pad unk cls sep mask max min num number total input output prompt completion reasoning
  cached design syntax lexer parse parser keyword hot short shortcut arrow translation i18n locale message label map
  object json dict property prop field column row array item list route schema sequence registry metric state
  sitemap react ref no has is missing invalid random bucket any every each which other same this that`,
);

const cache = new Map<string, NameKind | null>();

/** Paths, sentences and keys that were secrets themselves name nothing. */
const IS_NAME = /^[\p{L}\p{N}_$.:@ -]{1,80}$/u;

/** Names come from outside and are many; beyond this the cache starts anew. */
const CACHED_NAMES = 4096;

/** `null` when the name tells nothing. */
export function kindOfName(name: string): NameKind | null {
  let kind = cache.get(name);
  if (kind === undefined) {
    kind = !isGenerated(name) && IS_NAME.test(name) ? classify(wordsOf(name)) : null;
    if (cache.size >= CACHED_NAMES) cache.clear();
    if (name.length <= 64) cache.set(name, kind);
  }
  return kind;
}

const isSmall = (unit: number): boolean => unit >= 97 && unit <= 122;
const isCapital = (unit: number): boolean => unit >= 65 && unit <= 90;
const isDigit = (unit: number): boolean => unit >= 48 && unit <= 57;

/**
 * `AWSSecretAccessKey`, `aws-secret_access.key` and `AWS SECRET ACCESS KEY` are the same four words. What is not ASCII in
 * a name is a letter or a digit.
 */
function wordsOf(name: string): string[] {
  const words: string[] = [];
  let start = 0;
  const endAt = (end: number): void => {
    if (end > start) words.push(name.slice(start, end).toLowerCase());
  };
  for (let at = 0; at < name.length; at += 1) {
    const unit = name.charCodeAt(at);
    if (isCapital(unit)) {
      const before = at === 0 ? 0 : name.charCodeAt(at - 1);
      const isBeginning = isCapital(before)
        ? at + 1 < name.length && isSmall(name.charCodeAt(at + 1))
        : isSmall(before) || isDigit(before);
      if (!isBeginning) continue;
      endAt(at);
      start = at;
    } else if (unit < 128 && !isSmall(unit) && !isDigit(unit)) {
      endAt(at);
      start = at + 1;
    }
  }
  endAt(name.length);
  return words;
}

/** Changes between letters and digits from which on a name was generated: `x509v3SubjectKeyId2` has four. */
const MOST_CHANGES = 8;

function isGenerated(name: string): boolean {
  let changes = 0;
  let wasDigit = false;
  for (let at = 0; at < name.length; at += 1) {
    const isNow = isDigit(name.charCodeAt(at));
    if (at > 0 && isNow !== wasDigit) changes += 1;
    wasDigit = isNow;
  }
  return changes > MOST_CHANGES;
}

function classify(words: readonly string[]): NameKind | null {
  const hasVendor = words.some((word, i) => VENDORS.has(word) || VENDORS.has(word + (words[i + 1] ?? '')));
  // Half of a credential where the vendor calls it so (Sumo Logic); elsewhere an access id is public.
  if (hasVendor && words.at(-2) === 'access' && words.at(-1) === 'id') return 'secret';
  const kind = kindOfEnd(words);
  if (kind !== null) return kind;
  for (let i = words.length - 1; i >= 0; i -= 1) {
    const kind = kindOfWord(words, i, hasVendor);
    if (kind === null) continue;
    const after = words.slice(i + 1);
    if (after.some((word) => NEUTRALISING_AFTER.has(word))) return null;
    if (i > 0 && NEUTRALISING_BEFORE.has(words[i - 1] as string)) return null;
    const isKnown = after.every((word) => NEUTRAL_AFTER.has(word) || /^(?:\d+|[a-z])$/.test(word));
    if (!isKnown) return kind === 'code' ? null : 'weak';
    return kind;
  }
  return hasVendor && !words.some((word) => NEUTRALISING_AFTER.has(word)) ? 'weak' : null;
}

/** Two words that together mean something else than the last one does elsewhere. */
const ENDS: Readonly<Record<string, NameKind>> = {
  // Vault's AppRole, Consul: the secret half of a login. Entra ID calls the number of a client secret so, which is none.
  'secret id': 'secret',
  // RFC 7636.
  'code verifier': 'secret',
  'wpa key': 'password',
  'wpa2 key': 'password',
  'wifi key': 'password',
  'wlan key': 'password',
};

function kindOfEnd(words: readonly string[]): NameKind | null {
  const last = words.at(-1);
  if (last !== 'id' && last !== 'verifier' && last !== 'key') return null;
  return words.at(-3) === 'client' ? null : (ENDS[`${words.at(-2)} ${last}`] ?? null);
}

function kindOfWord(words: readonly string[], i: number, hasVendor: boolean): NameKind | null {
  const word = trimEndOf(words[i] as string, '0123456789');
  if (PASSWORD.has(word)) return 'password';
  if (SECRET.has(word)) return 'secret';
  if (CODE.has(word)) return 'code';
  const before = words[i - 1];
  if (word === 'key' || word === 'keys') {
    return hasVendor || (before !== undefined && KEY_KINDS.has(before)) ? 'secret' : 'weak';
  }
  if (WEAK.has(word)) return hasVendor ? 'secret' : 'weak';
  return kindOfEnding(word);
}

/** Names written without any border: `mypassword`, `xapitoken`. */
function kindOfEnding(word: string): NameKind | null {
  if (word.length < 7) return null;
  if (/(?:password|passwd|passwort|passphrase|contraseña|пароль)$/.test(word)) return 'password';
  if (/(?:secret|token|apikey|accesskey|secretkey|privatekey|authkey|signingkey|credential)s?$/.test(word))
    return 'secret';
  return null;
}
