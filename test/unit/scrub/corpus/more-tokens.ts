import { ALNUM, BASE64, DIGITS, HEX, LOWER, LOWER_ALNUM, type Random, UPPER_ALNUM, URL_SAFE, uuid } from './random.ts';
import type { TokenKind } from './tokens.ts';

const kind = (rule: string, name: string, make: (random: Random) => string): TokenKind => ({ rule, kind: name, make });

const join = (...halves: string[]): string => halves.join('');

/** Rarer kinds: every rule with a form of its own has at least one sample here or in `tokens.ts`. */
export const moreTokenKinds: readonly TokenKind[] = [
  // Clouds
  kind('amazon-oauth', 'login with amazon secret', (r) => join('amzn1.oa2', '-cs.v1.') + r.chars(HEX, 64)),
  kind('amazon-oauth', 'selling partner refresh token', (r) => join('At', 'zr|') + r.chars(BASE64, 200)),
  kind('aws-eks-token', 'eks token', (r) => join('k8s-', 'aws-v1.') + r.chars(URL_SAFE, 200)),
  kind('google-hmac-key', 'google hmac key id', (r) => join('GOO', 'G1E') + r.chars(UPPER_ALNUM, 55)),
  kind('azure-service-key', 'azure ai key', (r) => `${r.chars(ALNUM, 52)}${join('JQQ', 'J99')}${r.chars(ALNUM, 26)}`),
  kind(
    'azure-service-key',
    'azure functions key',
    (r) => `${r.chars(ALNUM, 44)}${join('Az', 'Fu')}${r.chars(ALNUM, 6)}==`,
  ),
  kind(
    'azure-refresh-token',
    'entra refresh token',
    (r) => `${join('0', '.A')}${r.chars(ALNUM, 40)}.${r.chars(URL_SAFE, 400)}`,
  ),
  kind('baidu-api-key', 'baidu key', (r) => `${join('bce-v3/', 'ALTAK-')}${r.chars(ALNUM, 21)}/${r.chars(HEX, 40)}`),
  kind('volcengine-access-key', 'volcengine key', (r) => join('AK', 'LT') + r.chars(ALNUM, 44)),
  kind('scaleway-access-key', 'scaleway key', (r) => `${join('SC', 'W')}${r.chars(UPPER_ALNUM, 16)}7`),
  kind('render-key', 'render key', (r) => join('rn', 'd_') + r.chars(ALNUM, 32)),
  kind('vercel-token', 'vercel token', (r) => join('vc', 'p_') + r.chars(ALNUM, 56)),
  kind('netlify-token', 'netlify token', (r) => join('nf', 'p_') + r.chars(ALNUM, 36)),
  kind('upcloud-token', 'upcloud token', (r) => join('uc', 'at_') + r.chars(UPPER_ALNUM, 26)),
  kind('exoscale-key', 'exoscale key', (r) => join('EX', 'O') + r.chars(HEX, 24)),
  // Models
  kind('cerebras-key', 'cerebras key', (r) => join('cs', 'k-') + r.chars(LOWER_ALNUM, 48)),
  kind('fireworks-key', 'fireworks key', (r) => join('fw', '_') + r.chars(ALNUM, 24)),
  kind('together-key', 'together key', (r) => join('tgp', '_v1_') + r.chars(URL_SAFE, 43)),
  kind('jina-key', 'jina key', (r) => join('ji', 'na_') + r.chars(ALNUM, 60)),
  kind('voyage-key', 'voyage key', (r) => join('pa', '-') + r.chars(ALNUM, 43)),
  kind('tavily-key', 'tavily key', (r) => join('tv', 'ly-') + r.chars(ALNUM, 32)),
  kind('elevenlabs-key', 'elevenlabs key', (r) => join('sk', '_') + r.chars(HEX, 48)),
  kind('cartesia-key', 'cartesia key', (r) => join('sk', '_car_') + r.chars(ALNUM, 22)),
  kind('langfuse-key', 'langfuse key', (r) => join('sk-', 'lf-') + uuid(r)),
  kind('wandb-key', 'wandb key', (r) => join('wandb', '_v1_') + r.chars(ALNUM, 80)),
  kind('llamacloud-key', 'llamacloud key', (r) => join('ll', 'x-') + r.chars(ALNUM, 48)),
  kind('anyscale-key', 'anyscale key', (r) => join('esec', 'ret_') + r.chars(LOWER_ALNUM, 40)),
  kind('runpod-key', 'runpod key', (r) => join('rp', 'a_') + r.chars(ALNUM, 46)),
  kind('e2b-key', 'e2b key', (r) => join('e2', 'b_') + r.chars(HEX, 40)),
  kind('firecrawl-key', 'firecrawl key', (r) => join('fc', '-') + r.chars(HEX, 32)),
  kind('apify-token', 'apify token', (r) => join('apify', '_api_') + r.chars(ALNUM, 36)),
  kind('browserbase-key', 'browserbase key', (r) => join('bb_', 'live_') + r.chars(URL_SAFE, 27)),
  kind('cursor-key', 'cursor key', (r) => join('ke', 'y_') + r.chars(HEX, 64)),
  kind('zhipu-key', 'zhipu key', (r) => `${r.chars(HEX, 32)}.${r.chars(ALNUM, 13)}aZ4`),
  // CI and registries
  kind('chromatic-token', 'chromatic token', (r) => join('ch', 'pt_') + r.chars(HEX, 12)),
  kind('packagist-token', 'packagist token', (r) => join('packagist', '_uut_') + r.chars(HEX, 64)),
  // Payment
  kind('adyen-key', 'adyen key', (r) => join('AQ', 'Eyhm') + r.chars(BASE64, 160)),
  kind('payment-key', 'lob key', (r) => join('li', 've_') + r.chars(HEX, 35)),
  kind('payment-key', 'gocardless token', (r) => join('li', 've_') + r.chars(URL_SAFE, 40)),
  kind('paddle-key', 'paddle key', (r) => join('pdl_', 'live_') + r.chars(ALNUM, 50)),
  kind('checkout-key', 'checkout key', (r) => join('sk_', 'sbox_') + r.chars(LOWER_ALNUM, 28)),
  kind('woocommerce-key', 'woocommerce secret', (r) => join('c', 's_') + r.chars(HEX, 40)),
  // Messaging
  kind(
    'google-chat-webhook',
    'google chat webhook',
    (r) =>
      `https://${join('chat.google', 'apis.com')}/v1/spaces/AAAA${r.chars(ALNUM, 7)}/messages?key=${join('AI', 'za')}${r.chars(URL_SAFE, 35)}&token=${r.chars(URL_SAFE, 43)}`,
  ),
  kind('chat-webhook', 'lark webhook', (r) => `https://open.feishu.cn/open-apis/bot/v2/hook/${uuid(r)}`),
  kind(
    'chat-webhook',
    'dingtalk webhook',
    (r) => `https://oapi.dingtalk.com/robot/send?access_token=${r.chars(HEX, 64)}`,
  ),
  kind(
    'automation-webhook',
    'zapier webhook',
    (r) => `https://${join('hooks.', 'zapier.com')}/hooks/catch/${r.chars(DIGITS, 7)}/${r.chars(LOWER_ALNUM, 7)}/`,
  ),
  kind('automation-webhook', 'make webhook', (r) => `https://hook.eu1.make.com/${r.chars(LOWER_ALNUM, 32)}`),
  kind('instagram-token', 'instagram token', (r) => join('IG', 'QV') + r.chars(ALNUM, 130)),
  kind(
    'matrix-token',
    'matrix token',
    (r) => `${join('sy', 't_')}${r.chars(ALNUM, 12)}_${r.chars(LOWER, 20)}_${r.chars(ALNUM, 6)}`,
  ),
  kind('twitch-token', 'twitch token', (r) => join('oau', 'th:') + r.chars(LOWER_ALNUM, 30)),
  kind('pinterest-token', 'pinterest token', (r) => join('pi', 'na_') + r.chars(UPPER_ALNUM, 60)),
  kind(
    'telnyx-key',
    'telnyx key',
    (r) => `${join('KE', 'Y0')}${r.chars('0123456789ABCDEF', 30)}_${r.chars(ALNUM, 22)}`,
  ),
  kind('onesignal-key', 'onesignal key', (r) => join('os_', 'v2_app_') + r.chars(LOWER_ALNUM, 100)),
  kind('pubnub-key', 'pubnub secret', (r) => join('sec', '-c-') + r.chars(ALNUM, 48)),
  // SaaS
  kind('asana-token', 'asana token', (r) => `${join('1', '/1')}${r.chars(DIGITS, 15)}:${r.chars(HEX, 32)}`),
  kind('trello-token', 'trello token', (r) => join('AT', 'TA') + r.chars(HEX, 72)),
  kind(
    'clickup-token',
    'clickup token',
    (r) => `${join('p', 'k_')}${r.chars('123456789', 8)}_${r.chars(UPPER_ALNUM, 32)}`,
  ),
  kind('intercom-token', 'intercom token', (r) => `${join('dG9', 'rOg')}${r.chars(ALNUM, 50)}=`),
  kind(
    'salesforce-token',
    'salesforce session',
    (r) => `${join('00', 'D')}${r.chars(ALNUM, 12)}!AQ${r.chars(ALNUM, 94)}`,
  ),
  kind('contentful-token', 'contentful token', (r) => join('CFP', 'AT-') + r.chars(URL_SAFE, 43)),
  kind('mapbox-token', 'mapbox secret', (r) => `${join('s', 'k.')}${r.chars(LOWER_ALNUM, 60)}.${r.chars(ALNUM, 22)}`),
  kind('dropbox-token', 'dropbox token', (r) => join('s', 'l.') + r.chars(URL_SAFE, 135)),
  kind('honeycomb-key', 'honeycomb key', (r) => join('hca', 'ik_') + r.chars(LOWER_ALNUM, 58)),
  kind('posthog-key', 'posthog key', (r) => join('ph', 'x_') + r.chars(ALNUM, 44)),
  kind('stytch-secret', 'stytch secret', (r) => join('secret', '-live-') + r.chars(ALNUM, 35)),
  kind(
    'infisical-token',
    'infisical token',
    (r) => `${join('s', 't.')}${r.chars(HEX, 24)}.${r.chars(HEX, 32)}.${r.chars(HEX, 32)}`,
  ),
  kind('adafruit-key', 'adafruit key', (r) => join('ai', 'o_') + r.chars(ALNUM, 28)),
  kind('beamer-token', 'beamer token', (r) => join('b', '_') + r.chars(ALNUM, 44)),
  kind('rootly-token', 'rootly token', (r) => join('root', 'ly_') + r.chars(HEX, 64)),
  kind('retool-token', 'retool token', (r) => join('retool', '_01') + r.chars(LOWER_ALNUM, 26)),
  kind('svix-key', 'svix key', (r) => `${join('test', 'sk_')}${r.chars(ALNUM, 32)}.eu`),
  kind('flutterwave-key', 'flutterwave encryption key', (r) => join('FLWSECK', '_TEST') + r.chars(HEX, 12)),
  // Databases
  kind('neon-key', 'neon key', (r) => join('na', 'pi_') + r.chars(LOWER_ALNUM, 64)),
  kind('mongodb-atlas-secret', 'atlas service account secret', (r) => join('mdb', '_sa_sk_') + r.chars(URL_SAFE, 40)),
  kind('cockroach-key', 'cockroach key', (r) => `${join('CCD', 'B1_')}${r.chars(ALNUM, 22)}_${r.chars(ALNUM, 40)}`),
  kind('aiven-password', 'aiven password', (r) => join('AV', 'NS_') + r.chars(ALNUM, 19)),
  kind('elastic-key', 'elastic cloud key', (r) => join('es', 'su_') + r.chars(BASE64, 72)),
  kind('dbt-token', 'dbt token', (r) => join('db', 'tc_') + r.chars(ALNUM, 42)),
  kind('confluent-secret', 'confluent secret', (r) => join('cf', 'lt') + r.chars(BASE64, 60)),
];
