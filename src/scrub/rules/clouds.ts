import { isVaried, looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Formats: each provider's API documentation on tokens and keys. */
export const cloudRules: readonly TokenRule[] = [
  // Alibaba Cloud access key ids: `LTAI` and 12 to 20 letters or digits.
  {
    name: 'alibaba-access-key-id',
    anchors: ['ltai'],
    pattern: /LTAI[A-Za-z0-9]{12,26}/y,
  },
  // Tencent Cloud secret ids: `AKID` and 32 more.
  { name: 'tencent-secret-id', anchors: ['akid'], pattern: /AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])/y },
  // Baidu and Volcengine.
  { name: 'baidu-api-key', anchors: ['bce-v3/altak-'], pattern: /bce-v3\/ALTAK-[A-Za-z0-9]{16,32}\/[0-9a-f]{40}/y },
  { name: 'volcengine-access-key', anchors: ['aklt'], pattern: /AKLT[A-Za-z0-9_-]{40,60}/y, boundary: 'strict' },
  // Yandex Cloud: API keys, IAM tokens (`t1.`, claims, signature) and static keys.
  {
    name: 'yandex-key',
    anchors: ['aqvn'],
    pattern: /AQVN[A-Za-z0-9_-]{35,40}/y,
    accept: isVaried,
  },
  {
    name: 'yandex-key',
    anchors: ['t1.'],
    pattern: /t1\.[A-Za-z0-9_-]{1,2048}={0,2}\.[A-Za-z0-9_-]{80,90}={0,2}/y,
    boundary: 'strict',
  },
  { name: 'yandex-key', anchors: ['y0_ag', 'y1_ag'], pattern: /y[01]_Ag[A-Za-z0-9_-]{50,64}/y, boundary: 'strict' },
  // DigitalOcean: personal, OAuth and refresh tokens.
  { name: 'digitalocean-token', anchors: ['dop_v1_', 'doo_v1_', 'dor_v1_'], pattern: /do[opr]_v1_[a-f0-9]{64}/iy },
  // Scaleway access keys.
  {
    name: 'scaleway-access-key',
    anchors: ['scw'],
    pattern: /SCW[A-Z0-9]{17}(?![A-Za-z0-9])/y,
    accept: (id) => isVaried(id.slice(3)),
  },
  { name: 'scalingo-token', anchors: ['tk-us-'], pattern: /tk-us-[A-Za-z0-9_-]{36,64}/y },
  // Fly.io: deploy and organisation tokens (macaroons) and the older form.
  { name: 'fly-token', anchors: ['fo1_'], pattern: /fo1_[A-Za-z0-9_-]{40,64}/y, boundary: 'strict' },
  { name: 'fly-token', anchors: ['fm1a_', 'fm1r_', 'fm2_'], pattern: /fm(?:1[ar]|2)_[A-Za-z0-9+/=,]{60,4096}/y },
  // Heroku.
  { name: 'heroku-key', anchors: ['hrku-'], pattern: /HRKU-AA[A-Za-z0-9_-]{50,80}/y },
  // Render, Railway-style, Vercel, Netlify, Northflank, Koyeb.
  { name: 'render-key', anchors: ['rnd_'], pattern: /rnd_[A-Za-z0-9]{24,64}/y, accept: (key) => looksRandom(key, 12) },
  {
    name: 'vercel-token',
    anchors: ['vcp_', 'vci_', 'vca_', 'vcr_', 'vck_', 'vercel_blob_rw_'],
    pattern: /(?:vc[piark]|vercel_blob_rw)_[A-Za-z0-9_]{24,100}/y,
    accept: (token) => looksRandom(token, 12),
  },
  {
    name: 'netlify-token',
    anchors: ['nfp_', 'nfc_', 'nfo_', 'nfu_', 'nfb_'],
    pattern: /nf[pcoub]_[A-Za-z0-9]{36,64}/y,
  },
  // Cloudflare: origin CA keys, and tokens of the newer, prefixed form.
  { name: 'cloudflare-key', anchors: ['v1.0-'], pattern: /v1\.0-[a-f0-9]{24}-[a-f0-9]{60,160}/y },
  {
    name: 'cloudflare-key',
    anchors: ['cfk_', 'cfut_', 'cfat_'],
    pattern: /cf(?:k|ut|at)_[A-Za-z0-9]{36,64}/y,
    accept: (token) => looksRandom(token, 16),
  },
  // Supabase: personal tokens and secret keys.
  {
    name: 'supabase-key',
    anchors: ['sbp_', 'sb_secret_'],
    pattern: /sb(?:p_[a-f0-9]{40}|_secret_[A-Za-z0-9_-]{20,80})/y,
  },
  // Hetzner, Linode and Vultr keys have no form of their own; Oracle, OVH and IBM neither. OpenShift OAuth tokens do.
  { name: 'openshift-token', anchors: ['sha256~'], pattern: /sha256~[A-Za-z0-9_-]{40,64}/y },
  // UpCloud, Exoscale (key and secret), Equinix.
  { name: 'upcloud-token', anchors: ['ucat_'], pattern: /ucat_[A-Z0-9]{24,40}/y },
  { name: 'exoscale-key', anchors: ['exo'], pattern: /EXO[a-f0-9]{24}(?![A-Za-z0-9])/y },
  // Akamai EdgeGrid: access and client tokens.
  { name: 'akamai-token', anchors: ['akab-'], pattern: /akab-[a-z0-9]{14,20}-[a-z0-9]{14,20}/y, boundary: 'strict' },
  // Hosting keys of the container and tunnel kind.
  { name: 'tailscale-key', anchors: ['tskey-'], pattern: /tskey-[a-z]{2,12}-[A-Za-z0-9-]{12,80}/y },
  {
    name: 'defined-networking-key',
    anchors: ['dnkey-'],
    pattern: /dnkey-[A-Za-z0-9=_-]{20,40}-[A-Za-z0-9=_-]{40,64}/y,
  },
  // Terraform Cloud, Pulumi, Spacelift, Infracost, Scalr.
  {
    name: 'terraform-token',
    anchors: ['.atlasv1.'],
    lead: 14,
    pattern: /[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,80}/y,
  },
  { name: 'pulumi-token', anchors: ['pul-'], pattern: /pul-[a-f0-9]{40}(?![A-Za-z0-9])/y, boundary: 'strict' },
  {
    name: 'infracost-key',
    anchors: ['ico-'],
    pattern: /ico-[A-Za-z0-9]{32}(?![A-Za-z0-9])/y,
    boundary: 'strict',
    accept: (key) => looksRandom(key, 16),
  },
];
