import {
  ALNUM,
  BASE58,
  BASE64,
  base64Of,
  base64UrlOf,
  DIGITS,
  HEX,
  LOWER,
  LOWER_ALNUM,
  type Random,
  UPPER,
  UPPER_ALNUM,
  URL_SAFE,
  uuid,
} from './random.ts';

/** One kind of secret with a form of its own: recognisable anywhere. */
export interface TokenKind {
  /** The rule that must name it. */
  readonly rule: string;
  readonly kind: string;
  make(random: Random): string;
}

const kind = (rule: string, name: string, make: (random: Random) => string): TokenKind => ({ rule, kind: name, make });

/** A literal in two halves, so that this file holds no prefix a scanner would look for. */
const join = (...halves: string[]): string => halves.join('');

const jwt = (random: Random): string =>
  [
    base64UrlOf('{"alg":"HS256","typ":"JWT"}'),
    base64UrlOf(`{"sub":"${random.chars(DIGITS, 10)}","name":"Sample","iat":${random.chars('123456789', 10)}}`),
    random.chars(URL_SAFE, 43),
  ].join('.');

const pem = (random: Random, label: string): string => {
  const lines = Array.from({ length: 6 }, () => random.chars(BASE64, 64));
  return [`-----BEGIN ${label}-----`, ...lines, `${random.chars(BASE64, 30)}==`, `-----END ${label}-----`].join('\n');
};

export const tokenKinds: readonly TokenKind[] = [
  // Clouds
  kind('aws-access-key-id', 'aws long-term key id', (r) => join('AK', 'IA') + r.chars(`${UPPER}234567`, 16)),
  kind('aws-access-key-id', 'aws temporary key id', (r) => join('AS', 'IA') + r.chars(`${UPPER}234567`, 16)),
  kind('aws-secret-key', 'aws secret key', (r) => `${r.chars(BASE64, 12)}9aZ/${r.chars(ALNUM, 24)}`),
  kind('aws-session-token', 'aws session token', (r) => join('IQoJb3', 'JpZ2lu') + r.chars(BASE64, 300)),
  kind('aws-bedrock-key', 'bedrock long-lived key', (r) => join('AB', 'SK') + r.chars(BASE64, 128)),
  kind('aws-bedrock-key', 'bedrock short-lived key', (r) => join('bedrock-api', '-key-') + r.chars(BASE64, 200)),
  kind('aws-appsync-key', 'appsync key', (r) => join('da', '2-') + r.chars(LOWER_ALNUM, 26)),
  kind('amazon-mws-token', 'mws token', (r) => join('amzn.', 'mws.') + uuid(r)),
  kind('google-api-key', 'google api key', (r) => join('AI', 'za') + r.chars(URL_SAFE, 35)),
  kind('google-oauth-secret', 'google oauth secret', (r) => join('GOC', 'SPX-') + r.chars(URL_SAFE, 28)),
  kind('google-oauth-token', 'google access token', (r) => join('ya', '29.') + r.chars(URL_SAFE, 120)),
  kind('google-oauth-token', 'google refresh token', (r) => join('1/', '/0') + r.chars(URL_SAFE, 60)),
  kind(
    'firebase-server-key',
    'fcm server key',
    (r) => `${join('AA', 'AA')}${r.chars(URL_SAFE, 7)}:${join('APA', '91b')}${r.chars(URL_SAFE, 134)}`,
  ),
  kind(
    'azure-client-secret',
    'entra client secret',
    (r) => `${r.chars(ALNUM, 3)}8${join('Q', '~')}${r.chars(ALNUM, 34)}`,
  ),
  kind(
    'azure-storage-key',
    'azure storage key',
    (r) => `${r.chars(BASE64, 76)}${join('+A', 'St')}${r.chars(BASE64, 5)}Q==`,
  ),
  kind('azure-devops-token', 'azure devops token', (r) => r.chars(ALNUM, 76) + join('AZ', 'DO') + r.chars(ALNUM, 4)),
  kind('azure-devops-token', 'azure devops token, old', (r) => r.chars(`${LOWER}234567`, 52)),
  kind('alibaba-access-key-id', 'alibaba key id', (r) => join('LT', 'AI') + r.chars(ALNUM, 20)),
  kind('tencent-secret-id', 'tencent secret id', (r) => join('AK', 'ID') + r.chars(ALNUM, 32)),
  kind('yandex-key', 'yandex api key', (r) => join('AQ', 'VN') + r.chars(URL_SAFE, 38)),
  kind('digitalocean-token', 'digitalocean personal token', (r) => join('dop', '_v1_') + r.chars(HEX, 64)),
  kind('digitalocean-token', 'digitalocean oauth token', (r) => join('doo', '_v1_') + r.chars(HEX, 64)),
  kind('digitalocean-token', 'digitalocean refresh token', (r) => join('dor', '_v1_') + r.chars(HEX, 64)),
  kind('scalingo-token', 'scalingo token', (r) => join('tk-', 'us-') + r.chars(URL_SAFE, 48)),
  kind('fly-token', 'fly token', (r) => join('fo', '1_') + r.chars(URL_SAFE, 43)),
  kind('fly-token', 'fly macaroon', (r) => join('fm', '2_') + r.chars(BASE64, 160)),
  kind('heroku-key', 'heroku key', (r) => join('HRKU', '-AA') + r.chars(URL_SAFE, 58)),
  kind(
    'cloudflare-key',
    'cloudflare origin ca key',
    (r) => `${join('v1', '.0-')}${r.chars(HEX, 24)}-${r.chars(HEX, 146)}`,
  ),
  kind('supabase-key', 'supabase token', (r) => join('sb', 'p_') + r.chars(HEX, 40)),
  kind('openshift-token', 'openshift token', (r) => join('sha', '256~') + r.chars(URL_SAFE, 43)),
  kind(
    'tailscale-key',
    'tailscale key',
    (r) => `${join('ts', 'key-')}auth-${r.chars(ALNUM, 12)}CNTRL-${r.chars(ALNUM, 32)}`,
  ),
  kind(
    'defined-networking-key',
    'defined networking key',
    (r) => `${join('dn', 'key-')}${r.chars(UPPER_ALNUM, 26)}-${r.chars(UPPER_ALNUM, 52)}`,
  ),
  kind('terraform-token', 'terraform token', (r) => r.chars(ALNUM, 14) + join('.atl', 'asv1.') + r.chars(URL_SAFE, 64)),
  kind('pulumi-token', 'pulumi token', (r) => join('pu', 'l-') + r.chars(HEX, 40)),
  kind('infracost-key', 'infracost key', (r) => join('ic', 'o-') + r.chars(ALNUM, 32)),
  // Models
  kind(
    'openai-key',
    'openai key',
    (r) => join('sk', '-') + r.chars(ALNUM, 20) + join('T3Blb', 'kFJ') + r.chars(ALNUM, 20),
  ),
  kind(
    'openai-key',
    'openai project key',
    (r) => join('sk-', 'proj-') + r.chars(URL_SAFE, 74) + join('T3Blb', 'kFJ') + r.chars(URL_SAFE, 74),
  ),
  kind('anthropic-key', 'anthropic key', (r) => `${join('sk-', 'ant-')}api03-${r.chars(URL_SAFE, 93)}AA`),
  kind('anthropic-key', 'anthropic admin key', (r) => `${join('sk-', 'ant-')}admin01-${r.chars(URL_SAFE, 93)}AA`),
  kind('model-provider-key', 'openrouter key', (r) => join('sk-', 'or-v1-') + r.chars(HEX, 64)),
  kind('model-provider-key', 'deepseek key', (r) => join('sk', '-') + r.chars(HEX, 32)),
  kind('huggingface-token', 'huggingface token', (r) => join('h', 'f_') + r.chars(LOWER + UPPER, 34)),
  kind('huggingface-token', 'huggingface org token', (r) => join('api_', 'org_') + r.chars(LOWER + UPPER, 34)),
  kind('groq-key', 'groq key', (r) => join('gs', 'k_') + r.chars(ALNUM, 52)),
  kind('xai-key', 'xai key', (r) => join('xa', 'i-') + r.chars(ALNUM, 80)),
  kind('perplexity-key', 'perplexity key', (r) => join('pp', 'lx-') + r.chars(ALNUM, 48)),
  kind('replicate-token', 'replicate token', (r) => join('r', '8_') + r.chars(ALNUM, 37)),
  kind('nvidia-key', 'nvidia key', (r) => join('nv', 'api-') + r.chars(URL_SAFE, 64)),
  kind('langsmith-key', 'langsmith key', (r) => `${join('lsv', '2_')}pt_${r.chars(HEX, 32)}_${r.chars(HEX, 10)}`),
  kind('pinecone-key', 'pinecone key', (r) => join('pc', 'sk_') + r.chars(ALNUM, 70)),
  // Code hosts
  kind('github-token', 'github personal token', (r) => join('gh', 'p_') + r.chars(ALNUM, 36)),
  kind('github-token', 'github oauth token', (r) => join('gh', 'o_') + r.chars(ALNUM, 36)),
  kind('github-token', 'github app token', (r) => join('gh', 's_') + r.chars(ALNUM, 36)),
  kind('github-token', 'github refresh token', (r) => join('gh', 'r_') + r.chars(ALNUM, 76)),
  kind(
    'github-token',
    'github fine-grained token',
    (r) => `${join('github', '_pat_')}${r.chars(ALNUM, 22)}_${r.chars(ALNUM, 59)}`,
  ),
  kind('gitlab-token', 'gitlab personal token', (r) => join('gl', 'pat-') + r.chars(URL_SAFE, 20)),
  kind(
    'gitlab-token',
    'gitlab routable token',
    (r) => `${join('gl', 'pat-')}${r.chars(URL_SAFE, 30)}.${r.chars(LOWER_ALNUM, 9)}`,
  ),
  kind('gitlab-token', 'gitlab runner token', (r) => join('gl', 'rt-') + r.chars(URL_SAFE, 20)),
  kind('gitlab-token', 'gitlab job token', (r) => `${join('gl', 'cbt-')}64_${r.chars(ALNUM, 20)}`),
  kind('gitlab-token', 'gitlab oauth secret', (r) => join('gl', 'oas-') + r.chars(HEX, 64)),
  kind('gitlab-token', 'gitlab registration token', (r) => join('GR13', '48941') + r.chars(URL_SAFE, 20)),
  kind('gitlab-session', 'gitlab session', (r) => `${join('_gitlab', '_session')}=${r.chars(HEX, 32)}`),
  kind(
    'atlassian-token',
    'atlassian token',
    (r) =>
      `${join('ATA', 'TT3')}xFfGF0${r.chars(URL_SAFE, 170)}=${r.chars(UPPER_ALNUM.slice(20), 0)}${r.chars('0123456789ABCDEF', 8)}`,
  ),
  kind('atlassian-token', 'bitbucket app password', (r) => join('AT', 'BB') + r.chars(ALNUM, 32)),
  kind('sourcegraph-token', 'sourcegraph token', (r) => `${join('sg', 'p_')}${r.chars(HEX, 16)}_${r.chars(HEX, 40)}`),
  // CI and registries
  kind('circleci-token', 'circleci token', (r) => `${join('CCI', 'PAT_')}${r.chars(ALNUM, 22)}_${r.chars(HEX, 40)}`),
  kind('buildkite-token', 'buildkite token', (r) => join('bk', 'ua_') + r.chars(HEX, 40)),
  kind('octopus-key', 'octopus key', (r) => join('AP', 'I-') + r.chars(UPPER_ALNUM, 26)),
  kind(
    'harness-token',
    'harness token',
    (r) => `${join('pa', 't.')}${r.chars(ALNUM, 22)}.${r.chars(HEX, 24)}.${r.chars(ALNUM, 20)}`,
  ),
  kind('sonar-token', 'sonar token', (r) => join('sq', 'u_') + r.chars(HEX, 40)),
  kind('prefect-token', 'prefect token', (r) => join('pn', 'u_') + r.chars(ALNUM, 36)),
  kind('npm-token', 'npm token', (r) => join('np', 'm_') + r.chars(ALNUM, 36)),
  kind('pypi-token', 'pypi token', (r) => join('pypi-', 'AgEIcHlwaS5vcmc') + r.chars(URL_SAFE, 140)),
  kind('rubygems-key', 'rubygems key', (r) => join('ruby', 'gems_') + r.chars(HEX, 48)),
  kind('nuget-key', 'nuget key', (r) => join('oy', '2') + r.chars(LOWER_ALNUM, 43)),
  kind('crates-token', 'crates token', (r) => join('ci', 'o') + r.chars(ALNUM, 32)),
  kind('clojars-token', 'clojars token', (r) => join('CLO', 'JARS_') + r.chars(HEX, 60)),
  kind('docker-token', 'docker token', (r) => join('dckr', '_pat_') + r.chars(URL_SAFE, 27)),
  kind('jfrog-token', 'artifactory key', (r) => join('AK', 'Cp') + r.chars(ALNUM, 69)),
  kind('jfrog-token', 'artifactory reference token', (r) => join('cm', 'Vmd') + r.chars(ALNUM, 59)),
  // Payment
  kind('stripe-key', 'stripe live key', (r) => join('sk_', 'live_') + r.chars(ALNUM, 24)),
  kind('stripe-key', 'stripe restricted key', (r) => join('rk_', 'live_') + r.chars(ALNUM, 99)),
  kind('stripe-webhook-secret', 'stripe webhook secret', (r) => join('whs', 'ec_') + r.chars(ALNUM, 32)),
  kind('square-token', 'square token', (r) => join('sq0', 'atp-') + r.chars(URL_SAFE, 22)),
  kind('square-token', 'square token, new', (r) => join('EA', 'AA') + r.chars(URL_SAFE, 60)),
  kind(
    'braintree-token',
    'braintree token',
    (r) => `${join('access_token', '$')}production$${r.chars(LOWER_ALNUM, 16)}$${r.chars(HEX, 32)}`,
  ),
  kind('razorpay-key', 'razorpay key', (r) => join('rzp_', 'live_') + r.chars(ALNUM, 14)),
  kind('flutterwave-key', 'flutterwave secret key', (r) => `${join('FLW', 'SECK_TEST-')}${r.chars(HEX, 32)}-X`),
  kind('flutterwave-key', 'flutterwave public key', (r) => `${join('FLW', 'PUBK_TEST-')}${r.chars(HEX, 32)}-X`),
  kind('plaid-token', 'plaid token', (r) => join('access-', 'sandbox-') + uuid(r)),
  kind('duffel-token', 'duffel token', (r) => join('duffel_', 'live_') + r.chars(URL_SAFE, 43)),
  kind('shippo-token', 'shippo token', (r) => join('shippo_', 'live_') + r.chars(HEX, 40)),
  kind('easypost-key', 'easypost key', (r) => join('EZ', 'AK') + r.chars(HEX, 32) + r.chars(ALNUM, 22)),
  kind('easypost-key', 'easypost test key', (r) => join('EZ', 'TK') + r.chars(HEX, 32) + r.chars(ALNUM, 22)),
  kind('shopify-token', 'shopify token', (r) => join('shp', 'at_') + r.chars(HEX, 32)),
  kind('shopify-token', 'shopify shared secret', (r) => join('shp', 'ss_') + r.chars(HEX, 32)),
  // Messaging
  kind(
    'slack-token',
    'slack bot token',
    (r) => `${join('xo', 'xb-')}${r.chars('123456789', 12)}-${r.chars('123456789', 13)}-${r.chars(ALNUM, 24)}`,
  ),
  kind(
    'slack-token',
    'slack user token',
    (r) =>
      `${join('xo', 'xp-')}${r.chars('123456789', 12)}-${r.chars('123456789', 12)}-${r.chars('123456789', 13)}-${r.chars(HEX, 32)}`,
  ),
  kind(
    'slack-token',
    'slack app token',
    (r) => `${join('xa', 'pp-')}1-A${r.chars(UPPER_ALNUM, 10)}-${r.chars('123456789', 13)}-${r.chars(HEX, 64)}`,
  ),
  kind('slack-token', 'slack cookie', (r) => join('xo', 'xd-') + r.chars(`${ALNUM}%`, 120)),
  kind(
    'slack-webhook',
    'slack webhook',
    (r) =>
      `https://${join('hooks.', 'slack.com')}/services/T${r.chars(UPPER_ALNUM, 10)}/B${r.chars(UPPER_ALNUM, 10)}/${r.chars(ALNUM, 24)}`,
  ),
  kind(
    'discord-token',
    'discord bot token',
    (r) => `M${r.chars(ALNUM, 23)}.${r.chars(URL_SAFE, 6)}.${r.chars(URL_SAFE, 38)}`,
  ),
  kind(
    'discord-webhook',
    'discord webhook',
    (r) => `https://discord.com/api/webhooks/${r.chars('123456789', 18)}/${r.chars(URL_SAFE, 68)}`,
  ),
  kind(
    'telegram-token',
    'telegram token',
    (r) => `${r.chars('123456789', 10)}:${join('A', 'A')}${r.chars(URL_SAFE, 33)}`,
  ),
  kind(
    'teams-webhook',
    'teams webhook',
    (r) =>
      `https://contoso.${join('webhook.', 'office.com')}/webhookb2/${uuid(r)}@${uuid(r)}/IncomingWebhook/${r.chars(HEX, 32)}/${uuid(r)}`,
  ),
  kind('twilio-key', 'twilio key', (r) => join('S', 'K') + r.chars(HEX, 32)),
  kind('sendgrid-key', 'sendgrid key', (r) => `${join('S', 'G.')}${r.chars(URL_SAFE, 22)}.${r.chars(URL_SAFE, 42)}a`),
  kind('brevo-key', 'brevo key', (r) => `${join('xkey', 'sib-')}${r.chars(HEX, 64)}-${r.chars(ALNUM, 16)}`),
  kind('mailgun-key', 'mailgun key', (r) => join('ke', 'y-') + r.chars(HEX, 32)),
  kind('mailchimp-key', 'mailchimp key', (r) => `${r.chars(HEX, 32)}${join('-', 'us')}21`),
  kind('resend-key', 'resend key', (r) => `${join('r', 'e_')}${r.chars(ALNUM, 8)}_${r.chars(ALNUM, 24)}`),
  kind('facebook-token', 'facebook page token', (r) => join('EA', 'AM') + r.chars(ALNUM, 160)),
  kind('facebook-token', 'facebook app token', (r) => `${r.chars('123456789', 16)}|${r.chars(ALNUM, 27)}`),
  kind('twitter-bearer', 'twitter bearer', (r) => 'A'.repeat(22) + r.chars(`${ALNUM}%`, 90)),
  // SaaS
  kind('notion-token', 'notion token', (r) => join('nt', 'n_') + r.chars('123456789', 11) + r.chars(ALNUM, 35)),
  kind('linear-key', 'linear key', (r) => join('lin_', 'api_') + r.chars(ALNUM, 40)),
  kind('figma-token', 'figma token', (r) => join('fig', 'd_') + r.chars(URL_SAFE, 40)),
  kind('airtable-token', 'airtable token', (r) => `${join('pa', 't')}${r.chars(ALNUM, 14)}.${r.chars(HEX, 64)}`),
  kind('hubspot-token', 'hubspot token', (r) => join('pat', '-na1-') + uuid(r)),
  kind('typeform-token', 'typeform token', (r) => join('tf', 'p_') + r.chars(URL_SAFE, 58) + r.chars(ALNUM, 1)),
  kind('maxmind-key', 'maxmind key', (r) => `${r.chars(ALNUM, 6)}_${r.chars(ALNUM, 29)}${join('_m', 'mk')}`),
  kind('grafana-token', 'grafana service token', (r) => `${join('gl', 'sa_')}${r.chars(ALNUM, 32)}_${r.chars(HEX, 8)}`),
  kind('grafana-token', 'grafana cloud token', (r) => join('gl', 'c_') + r.chars(BASE64, 120)),
  kind('newrelic-key', 'new relic user key', (r) => join('NR', 'AK-') + r.chars(UPPER_ALNUM, 27)),
  kind('sentry-token', 'sentry user token', (r) => join('sntr', 'yu_') + r.chars(HEX, 64)),
  kind(
    'sentry-token',
    'sentry org token',
    (r) =>
      `${join('sntr', 'ys_')}${base64Of(`{"iat":1687336543.69859,"url":null,"region_url":"http://x","org":"${r.chars(LOWER, 8)}"}`).replace(/=+$/, '')}_${r.chars(BASE64, 43)}`,
  ),
  kind(
    'dynatrace-token',
    'dynatrace token',
    (r) => `${join('dt0', 'c01.')}${r.chars(UPPER_ALNUM, 24)}.${r.chars(UPPER_ALNUM, 64)}`,
  ),
  kind('launchdarkly-key', 'launchdarkly key', (r) => join('sd', 'k-') + uuid(r)),
  kind(
    'authress-key',
    'authress key',
    (r) =>
      `${join('s', 'c_')}${r.chars(LOWER_ALNUM, 10)}.${r.chars(LOWER_ALNUM, 5)}.acc_${r.chars(LOWER_ALNUM, 12)}.${r.chars(ALNUM, 60)}`,
  ),
  kind('vault-token', 'vault service token', (r) => join('hv', 's.') + r.chars(URL_SAFE, 95)),
  kind('vault-token', 'vault batch token', (r) => join('hv', 'b.') + r.chars(URL_SAFE, 140)),
  kind('vault-token', 'vault token, old', (r) => `${join('s', '.')}${r.chars(ALNUM, 20)}7aK9`),
  kind('onepassword-token', '1password service token', (r) => join('ops_', 'eyJ') + r.chars(ALNUM, 260)),
  kind(
    'onepassword-key',
    '1password secret key',
    (r) =>
      `${join('A', '3-')}${r.chars(UPPER_ALNUM, 6)}-${r.chars(UPPER_ALNUM, 6)}-${r.chars(UPPER_ALNUM, 5)}-${r.chars(UPPER_ALNUM, 5)}-${r.chars(UPPER_ALNUM, 5)}-${r.chars(UPPER_ALNUM, 5)}`,
  ),
  kind('doppler-token', 'doppler token', (r) => join('dp', '.pt.') + r.chars(ALNUM, 43)),
  kind('postman-key', 'postman key', (r) => `${join('PM', 'AK-')}${r.chars(HEX, 24)}-${r.chars(HEX, 34)}`),
  kind('readme-key', 'readme key', (r) => join('rd', 'me_') + r.chars(LOWER_ALNUM, 70)),
  kind('adobe-secret', 'adobe secret', (r) => join('p8', 'e-') + r.chars(ALNUM, 32)),
  kind('frameio-token', 'frame.io token', (r) => join('fio', '-u-') + r.chars(URL_SAFE, 64)),
  kind('intra42-secret', '42 secret', (r) => join('s-s4', 't2ud-') + r.chars(HEX, 64)),
  kind('settlemint-token', 'settlemint token', (r) => join('sm_', 'pat_') + r.chars(ALNUM, 16)),
  // Databases
  kind('planetscale-token', 'planetscale password', (r) => join('pscale', '_pw_') + r.chars(URL_SAFE, 43)),
  kind('clickhouse-key', 'clickhouse key', (r) => join('4b', '1d') + r.chars(ALNUM, 38)),
  kind('databricks-token', 'databricks token', (r) => join('da', 'pi') + r.chars(HEX, 32)),
  // Generic forms
  kind('jwt', 'signed jwt', jwt),
  kind('private-key', 'rsa key', (r) => pem(r, join('RSA PRIV', 'ATE KEY'))),
  kind('private-key', 'openssh key', (r) => pem(r, join('OPENSSH PRIV', 'ATE KEY'))),
  kind('private-key', 'pgp key', (r) => pem(r, join('PGP PRIV', 'ATE KEY BLOCK'))),
  kind('age-key', 'age key', (r) => join('AGE-SECRET', '-KEY-1') + r.chars('QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L', 58)),
  kind('wallet-key', 'extended private key', (r) => join('xp', 'rv') + r.chars(BASE58, 107)),
  kind('url-password', 'database url', (r) => `postgres://app:${r.chars(ALNUM, 16)}@db.example.com:5432/app`),
  kind('url-password', 'redis url', (r) => `redis://:${r.chars(ALNUM, 20)}@10.0.0.4:6379/0`),
  kind('vendor-key', 'key of an unknown vendor', (r) => `acme_live_${r.chars(ALNUM, 31)}7`),
];
