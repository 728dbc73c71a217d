import { isFiller, isMonotone, isVaried, looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Chat, mail and telephony. Formats: Slack "Token types", Discord, Telegram, Twilio, SendGrid, Brevo, Mailgun documentation. */
export const messagingRules: readonly TokenRule[] = [
  // Slack: `xox` and a letter for the kind (bot, user, workspace, refresh, legacy, cookie, expiring), then parts joined
  // by `-`. Configuration tokens are wrapped as `xoxe.xoxp-`.
  {
    name: 'slack-token',
    anchors: ['xoxe.xox', 'xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxo-', 'xoxs-', 'xoxe-', 'xoxc-', 'xoxd-'],
    pattern: /(?:xoxe\.)?xox[abcdeoprs]-[A-Za-z0-9%/+=-]{8,400}/iy,
    accept: isSlackToken,
  },
  { name: 'slack-token', anchors: ['xapp-', 'xwfp-'], pattern: /x(?:app|wfp)-[A-Za-z0-9-]{16,200}/iy },
  // Incoming webhooks, workflow triggers: whoever has the URL can post.
  {
    name: 'slack-webhook',
    anchors: ['hooks.slack.com/', 'hooks.slack-gov.com/'],
    pattern:
      /hooks\.slack(?:-gov)?\.com\/(?:services|workflows|triggers|commands|actions|app)\/[A-Za-z0-9+/_-]{20,200}/iy,
    boundary: 'none',
  },
  // Discord: bot tokens are the base64 of the application id, a timestamp and a signature; webhooks carry id and token.
  {
    name: 'discord-webhook',
    anchors: ['/api/webhooks/', '/webhooks/'],
    pattern: /(\/(?:api\/(?:v\d{1,2}\/)?)?webhooks\/)\d{15,20}\/[A-Za-z0-9_-]{40,100}/y,
    boundary: 'none',
  },
  { name: 'discord-token', anchors: ['mfa.'], pattern: /mfa\.[A-Za-z0-9_-]{60,100}/y, boundary: 'strict' },
  // Telegram: the bot's id, a colon, and 35 characters that begin with `A`.
  {
    name: 'telegram-token',
    anchors: [':a'],
    lead: 'run',
    pattern: /(bot)?\d{5,16}:A[A-Za-z0-9_-]{33,35}(?![A-Za-z0-9_-])/y,
    accept: (token) => !/:[A-Za-z]+$/.test(token) && !isFiller(token),
  },
  // Microsoft Teams: connector URLs, and workflow (Power Automate) URLs, which are Azure SAS.
  {
    name: 'teams-webhook',
    anchors: ['webhook.office.com/', '/webhookb2/'],
    pattern: /(webhook\.office\.com\/webhookb2\/|\/webhookb2\/)[A-Za-z0-9@/-]{60,250}/iy,
    boundary: 'none',
  },
  {
    name: 'teams-webhook',
    anchors: ['incomingwebhook/'],
    pattern: /(IncomingWebhook\/)[0-9a-f]{32}\/[0-9a-f-]{36}/iy,
    boundary: 'none',
  },
  // Google Chat webhooks: key and token in the query.
  {
    name: 'google-chat-webhook',
    anchors: ['chat.googleapis.com/v1/spaces/'],
    pattern: /(chat\.googleapis\.com\/v1\/spaces\/[A-Za-z0-9_-]{4,40}\/messages\?)[^\s"'<>\\]{20,300}/iy,
    boundary: 'none',
  },
  // Lark and Feishu, WeCom, DingTalk: bots' webhooks.
  {
    name: 'chat-webhook',
    anchors: ['/open-apis/bot/v2/hook/', '/cgi-bin/webhook/send?key=', '/robot/send?access_token='],
    pattern:
      /(\/open-apis\/bot\/v2\/hook\/|\/cgi-bin\/webhook\/send\?key=|\/robot\/send\?access_token=)[A-Za-z0-9-]{20,80}/iy,
    boundary: 'none',
  },
  // Automation hooks: Zapier and IFTTT; Make and Pipedream.
  {
    name: 'automation-webhook',
    anchors: ['hooks.zapier.com/hooks/', 'maker.ifttt.com/trigger/'],
    pattern:
      /(hooks\.zapier\.com\/hooks\/(?:catch|standard)\/|maker\.ifttt\.com\/trigger\/[\w-]{1,64}\/(?:json\/)?with\/key\/)[A-Za-z0-9/_-]{8,120}/iy,
    boundary: 'none',
  },
  {
    name: 'automation-webhook',
    anchors: ['.make.com/', '.pipedream.net'],
    pattern: /(\.make\.com\/|\.pipedream\.net\/?)[A-Za-z0-9_-]{20,64}/iy,
    boundary: 'none',
    accept: (path) => looksRandom(path, 12),
  },
  // Twilio: API keys and account ids are two letters and 32 hexadecimal digits.
  {
    name: 'twilio-key',
    anchors: ['sk'],
    pattern: /SK[0-9a-fA-F]{32}(?![A-Za-z0-9])/y,
    boundary: 'strict',
    accept: (key) => looksRandom(key, 20),
  },
  // SendGrid: `SG.`, 22 characters, a dot, 43 characters.
  {
    name: 'sendgrid-key',
    anchors: ['sg.'],
    pattern: /SG\.[A-Za-z0-9_=.-]{50,80}(?<!\.)/y,
    boundary: 'strict',
    accept: isVaried,
  },
  // Brevo (Sendinblue): REST and SMTP keys.
  {
    name: 'brevo-key',
    anchors: ['xkeysib-', 'xsmtpsib-'],
    pattern: /x(?:key|smtp)sib-[a-f0-9]{40,64}-[A-Za-z0-9]{10,24}/y,
  },
  // Mailgun: private and public keys; signing keys are three groups of hexadecimal digits.
  {
    name: 'mailgun-key',
    anchors: ['key-'],
    pattern: /key-[a-f0-9]{32}(?![A-Za-z0-9])/y,
    boundary: 'none',
    accept: (key) => looksRandom(key, 16),
  },
  { name: 'mailgun-key', anchors: ['pubkey-'], pattern: /pubkey-[a-f0-9]{32}(?![A-Za-z0-9])/y, boundary: 'strict' },
  // Mailchimp and Mandrill: 32 hexadecimal digits and the data centre; `md-` and 22 characters.
  {
    name: 'mailchimp-key',
    anchors: ['-us'],
    lead: 32,
    pattern: /[0-9a-f]{32}-us\d{1,2}(?![A-Za-z0-9])/y,
    accept: (key) => looksRandom(key, 16),
  },
  {
    name: 'mailchimp-key',
    anchors: ['md-'],
    pattern: /md-[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])/y,
    boundary: 'strict',
    accept: (key) => looksRandom(key, 16),
  },
  {
    name: 'resend-key',
    anchors: ['re_'],
    pattern: /re_[A-Za-z0-9]{6,12}_[A-Za-z0-9]{20,32}/y,
    boundary: 'strict',
    accept: (key) => looksRandom(key, 14),
  },
  // Meta: user and page tokens; an application's token is its id, `|` and the secret.
  { name: 'facebook-token', anchors: ['eaa'], pattern: /EAA[A-Za-z][A-Za-z0-9]{90,400}/y, boundary: 'strict' },
  {
    name: 'facebook-token',
    anchors: ['|', '%7c'],
    lead: 'run',
    pattern: /\d{15,16}(?:\||%7C)[A-Za-z0-9_-]{27,40}(?![A-Za-z0-9])/iy,
    accept: (token) => looksRandom(token.slice(16), 14),
  },
  { name: 'instagram-token', anchors: ['igq'], pattern: /IGQ[A-Za-z0-9_-]{80,400}/y, boundary: 'strict' },
  // X (Twitter) application tokens: 22 letters A and base64 with percent signs.
  {
    name: 'twitter-bearer',
    anchors: ['aaaaaaaaaaaaaaaaaaaaa'],
    pattern: /A{21,22}[A-Za-z0-9%+/=_-]{40,150}/y,
    boundary: 'strict',
    accept: (token) => looksRandom(token.slice(22), 20),
  },
  // Matrix access tokens, Mattermost-style, Webex, LINE, Zulip: only Matrix has a form.
  {
    name: 'matrix-token',
    anchors: ['syt_', 'syr_'],
    pattern: /sy[tr]_[A-Za-z0-9+/=]{2,100}_[A-Za-z]{20}_[A-Za-z0-9]{6}/y,
  },
  {
    name: 'twitch-token',
    anchors: ['oauth:'],
    pattern: /(oauth:)[a-z0-9]{30}(?![A-Za-z0-9])/y,
    accept: isVaried,
  },
  { name: 'pinterest-token', anchors: ['pina_'], pattern: /pina_[A-Za-z0-9]{30,80}/y },
  { name: 'telnyx-key', anchors: ['key0'], pattern: /KEY0[A-Fa-f0-9]{24,40}_[A-Za-z0-9]{16,32}/y },
  { name: 'onesignal-key', anchors: ['os_v2_'], pattern: /os_v2_(?:app|org)_[a-z0-9]{40,120}/y },
  {
    name: 'pubnub-key',
    anchors: ['sec-c-', 'pub-c-', 'sub-c-'],
    pattern: /(?:sec-c-[A-Za-z0-9=]{36,60}|[ps]ub-c-[0-9a-f-]{36})/y,
  },
];

/** Documentation writes `xoxb-your-token`; real ones are full of digits. Workspace and refresh tokens may be short. */
function isSlackToken(token: string): boolean {
  if (isMonotone(token.slice(5))) return false;
  const body = token.slice(token.lastIndexOf('xox') + 5);
  const digits = body.replace(/\D/g, '').length;
  if (/^xoxd/i.test(token)) return body.length >= 60;
  return /^xox[ar]/i.test(token) ? digits >= 2 : body.length >= 20 && digits >= 6;
}
