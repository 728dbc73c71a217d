/** Words for a password, lower-case, as they stand in sentences; `assignment/names.ts` knows them as names too. */
export const PASSWORD_WORDS: readonly string[] = [
  // English
  'password',
  'passwd',
  'passphrase',
  'passcode',
  'pass word',
  'pwd',
  'pw',
  // German, Dutch, Scandinavian, Finnish
  'passwort',
  'kennwort',
  'wachtwoord',
  'lösenord',
  'passord',
  'adgangskode',
  'kodeord',
  'salasana',
  // Romance
  'mot de passe',
  'mdp',
  'contraseña',
  'contrasena',
  'contrasenya',
  'clave',
  'senha',
  'palavra-passe',
  "parola d'ordine",
  'parola',
  'parolă',
  // Slavic
  'hasło',
  'haslo',
  'heslo',
  'lozinka',
  'geslo',
  'пароль',
  'пароля',
  'парола',
  'лозинка',
  // Greek, Hungarian, Turkish, Baltic
  'κωδικός πρόσβασης',
  'κωδικός',
  'συνθηματικό',
  'jelszó',
  'şifre',
  'parool',
  'slaptažodis',
  // Semitic, Persian, Indic
  'كلمة المرور',
  'كلمة السر',
  'סיסמה',
  'סיסמא',
  'رمز عبور',
  'گذرواژه',
  'पासवर्ड',
  // East and South-East Asian
  '密码',
  '密碼',
  '口令',
  'パスワード',
  '비밀번호',
  '암호',
  'mật khẩu',
  'kata sandi',
  'รหัสผ่าน',
];

/** Words for what machines generate. */
export const TOKEN_WORDS: readonly string[] = [
  'token',
  'api key',
  'apikey',
  'api-key',
  'access key',
  'secret key',
  'private key',
  'license key',
  'encryption key',
  'account key',
  'secret',
  'credential',
  'clé api',
  'clé d’api',
  "clé d'api",
  'clave api',
  'chave de api',
  'api-schlüssel',
  'schlüssel',
  'jeton',
  'токен',
  'ключ',
  '令牌',
  '密钥',
  'トークン',
  '토큰',
];

/** Words for a few digits. */
export const CODE_WORDS: readonly string[] = [
  'pin',
  'pin code',
  'otp',
  'one-time code',
  'verification code',
  'security code',
];

/** Words that tie a value to what stands before it. */
export const COPULAS = new Set(
  (
    "'s ’s is was are were be to = == := : -> => → – — - ： ist war lautet est était sera es era está esta é foi e è era är var er " +
    'on oli jest to je bylo este olarak olan это был будет είναι هو هي הוא היא है adalah là คือ is: was: es: est: ist: é: è: are:'
  ).split(' '),
);

/** Words between the copula and the value. */
export const FILLERS = new Set(
  'now still currently just simply actually literally again set to as follows follows: going be reset changed jetzt nun maintenant ahora agora'.split(
    ' ',
  ),
);

/** What a sentence says about a password instead of saying the password; endings cover the rest. */
export const ATTRIBUTES = new Set(
  (
    'wrong right correct incorrect secret private public safe secure weak strong short long missing hidden unknown empty blank ' +
    'here there below above mine yours ours theirs same different easy hard simple difficult null none default okay ready ' +
    'fine good better enough needed known gone back inside outside required optional invalid valid stale fresh common unique ' +
    'random complex encrypted plain plaintext cleartext nothing something anything everything case admin root password secret1'
  ).split(' '),
);

/** In English; `ATTRIBUTES_AFTER` has those of other languages. */
export const ATTRIBUTE_ENDING = /(?:ed|ing|able|ible|ive|ent|ant|ous|ful|less|al|ic|ly|ory|ary|ised|ized|en)$/i;

/** The same behind other languages' words for "is": adjectives and participles. */
export const ATTRIBUTES_AFTER: Readonly<Record<string, RegExp>> = {
  ist: /^(?:ge[a-z]+(?:t|en)|(?:in)?korrekt|falsch|geheim|(?:un)?sicher|schwach|anders|gleich|kaputt|vergessen|verloren|abgelaufen|verfallen|unbekannt|(?:be|ver|er|zer|ent)[a-z]+t)$|(?:lich|ig|isch|bar|los|sam|haft|iert)$/i,
  est: /(?:ect|able|ible|oire|eux|ent|ant|el|al|if|ide|ue|onnu|ompu)$/i,
  es: /(?:[aei]d[oa]|[aeo]ri[oa]|ct[oa]|ble|nte|iv[oa]|al|il|ur[oa]|arg[oa]|ort[oa]|uev[oa]|ret[oa])$/i,
  è: /(?:[aiu]t[oa]|tt[oa]|[aeo]ri[oa]|bile|nte|iv[oa]|ale|ur[oa]|ov[oa]|ret[oa])$/i,
  é: /(?:[ai]d[oa]|t[oa]|[aeo]ri[oa]|vel|nte|iv[oa]|al|ur[oa]|ov[oa])$/i,
};
