import { isVaried, looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Products with keys of their own form. Formats: each product's developer documentation. */
export const saasRules: readonly TokenRule[] = [
  // Notion: `ntn_`, eleven digits, 35 characters; older `secret_` and 43.
  {
    name: 'notion-token',
    anchors: ['ntn_'],
    pattern: /ntn_\d{11}[A-Za-z0-9]{30,40}(?![A-Za-z0-9])/y,
    accept: (token) => looksRandom(token.slice(15), 20),
  },
  { name: 'notion-token', anchors: ['secret_'], pattern: /secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])/y, boundary: 'strict' },
  // Linear, Figma, Airtable, Asana, Trello, ClickUp, Coda, Miro.
  {
    name: 'linear-key',
    anchors: ['lin_api_', 'lin_oauth_', 'lin_wh_'],
    pattern: /lin_(?:api|oauth|wh)_[A-Za-z0-9]{32,80}/y,
  },
  {
    name: 'figma-token',
    anchors: ['figd_', 'figu_', 'figo_', 'figor_', 'figoh_'],
    pattern: /fig(?:d|u|o|or|oh)_[A-Za-z0-9_-]{32,80}/y,
    accept: isVaried,
  },
  { name: 'airtable-token', anchors: ['pat'], pattern: /pat[A-Za-z0-9]{14}\.[a-f0-9]{64}/y, boundary: 'strict' },
  {
    name: 'airtable-token',
    anchors: ['key'],
    pattern: /key[A-Za-z0-9]{14}(?![A-Za-z0-9_-])/y,
    boundary: 'strict',
    accept: (key) => /[a-z]/.test(key.slice(3)) && /[A-Z]/.test(key) && /\d/.test(key) && looksRandom(key.slice(3), 14),
  },
  {
    name: 'asana-token',
    anchors: ['1/1', '2/1', '0/'],
    pattern: /[012]\/(?:\d{15,17}(?:\/\d{15,17})?[:/])?[a-f0-9]{32}(?![A-Za-z0-9])/y,
    boundary: 'strict',
  },
  { name: 'trello-token', anchors: ['atta'], pattern: /ATTA[a-f0-9]{64,80}/y },
  { name: 'clickup-token', anchors: ['pk_'], pattern: /pk_\d{6,10}_[A-Z0-9]{32}/y },
  // HubSpot private apps: region and a UUID. Intercom, Zendesk and others have no form.
  { name: 'hubspot-token', anchors: ['pat-na', 'pat-eu', 'pat-ap'], pattern: /pat-(?:na|eu|ap)\d-[0-9a-f-]{36}/iy },
  { name: 'intercom-token', anchors: ['dg9ro'], pattern: /dG9rO[A-Za-z0-9+/]{30,100}={0,2}/y },
  // Salesforce: the organisation's id (`00D…`), `!`, and a session of about 96 characters.
  {
    name: 'salesforce-token',
    anchors: ['00d'],
    pattern: /00D[A-Za-z0-9]{12,15}!A[A-Za-z0-9_.]{60,200}/y,
    boundary: 'strict',
  },
  // Typeform, Contentful, Sanity, Storyblok, Prismic, Webflow, Mapbox (public and secret).
  { name: 'typeform-token', anchors: ['tfp_'], pattern: /tfp_[A-Za-z0-9_.=-]{40,70}(?<!\.)/y },
  { name: 'contentful-token', anchors: ['cfpat-'], pattern: /CFPAT-[A-Za-z0-9_-]{40,64}/y },
  {
    name: 'mapbox-token',
    anchors: ['pk.', 'sk.', 'tk.'],
    pattern: /[pst]k\.[A-Za-z0-9_-]{50,120}\.[A-Za-z0-9_-]{20,24}/y,
    boundary: 'strict',
  },
  { name: 'maxmind-key', anchors: ['_mmk'], lead: 36, pattern: /[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk/y },
  // Dropbox access tokens.
  { name: 'dropbox-token', anchors: ['sl.'], pattern: /sl\.(?:u\.)?[A-Za-z0-9_=-]{100,2048}/y, boundary: 'strict' },
  // Monitoring: Grafana (keys, cloud tokens, service accounts), New Relic, Sentry, Dynatrace, Honeycomb, PostHog.
  { name: 'grafana-token', anchors: ['glsa_'], pattern: /glsa_[A-Za-z0-9]{24,40}_[A-Fa-f0-9]{8}/iy },
  { name: 'grafana-token', anchors: ['glc_'], pattern: /glc_[A-Za-z0-9+/]{32,400}={0,3}/iy },
  { name: 'grafana-token', anchors: ['eyjrijoi'], pattern: /eyJrIjoi[A-Za-z0-9+/_-]{40,400}={0,3}/iy },
  {
    name: 'newrelic-key',
    anchors: ['nrak-', 'nrii-', 'nrjs-', 'nrra-', 'nral-', 'nrsp-'],
    pattern: /NR(?:AK|II|JS|RA|AL|SP)-[A-Za-z0-9_-]{19,64}/y,
  },
  { name: 'newrelic-key', anchors: ['ffffnral'], lead: 32, pattern: /[a-f0-9]{32}FFFFNRAL/iy },
  {
    name: 'sentry-token',
    anchors: ['sntrys_'],
    pattern: /sntrys_eyJ[A-Za-z0-9+/]{20,800}={0,2}_[A-Za-z0-9+/]{30,64}/y,
  },
  { name: 'sentry-token', anchors: ['sntryu_', 'sntryi_', 'sntrya_'], pattern: /sntry[uia]_[a-f0-9]{64,80}/y },
  {
    name: 'dynatrace-token',
    anchors: ['dt0c01.', 'dt0s01.', 'dt0s02.', 'dt0s16.', 'dt0s08.'],
    pattern: /dt0[a-z]\d{2}\.[A-Za-z0-9]{8,32}\.[A-Za-z0-9]{40,80}/iy,
  },
  {
    name: 'honeycomb-key',
    anchors: ['hcaik_', 'hcbik_', 'hcalk_', 'hcamk_'],
    pattern: /hc[ab][a-z]k_[a-z0-9]{30,80}/iy,
  },
  { name: 'posthog-key', anchors: ['phx_', 'phs_'], pattern: /ph[xs]_[A-Za-z0-9]{40,64}/y },
  // Feature flags: LaunchDarkly (SDK, mobile, API), Statsig, Optimizely.
  {
    name: 'launchdarkly-key',
    anchors: ['sdk-', 'mob-', 'api-'],
    pattern: /(?:sdk|mob|api)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/y,
    boundary: 'strict',
  },
  // Identity: Okta's header scheme, Authress, Clerk and WorkOS (Stripe's form), Frontegg, Stytch.
  { name: 'okta-token', anchors: ['ssws '], pattern: /(SSWS )00[A-Za-z0-9_-]{30,50}/iy },
  {
    name: 'authress-key',
    anchors: ['sc_', 'ext_', 'scauth_', 'authress_'],
    pattern:
      /(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}/iy,
  },
  {
    name: 'stytch-secret',
    anchors: ['secret-live-', 'secret-test-'],
    pattern: /secret-(?:live|test)-[A-Za-z0-9_=-]{30,64}/y,
  },
  // Secret managers: Vault (service, batch, recovery, legacy), 1Password, Doppler, Infisical, Bitwarden, Akeyless.
  {
    name: 'vault-token',
    anchors: ['hvs.', 'hvb.', 'hvr.'],
    pattern: /hv[sbr]\.[A-Za-z0-9_-]{20,300}/y,
    boundary: 'strict',
    accept: isVaried,
  },
  {
    name: 'vault-token',
    anchors: ['s.', 'b.', 'r.'],
    pattern: /[sbr]\.[A-Za-z0-9]{24}(?![A-Za-z0-9-]|[_.][A-Za-z0-9])/y,
    boundary: 'strict',
    accept: (token) => /\d/.test(token) && /[a-z]/i.test(token.slice(2)) && looksRandom(token, 20),
  },
  { name: 'onepassword-token', anchors: ['ops_eyj'], pattern: /ops_eyJ[A-Za-z0-9+/_-]{60,2048}={0,3}/y },
  {
    name: 'onepassword-key',
    anchors: ['a3-'],
    pattern: /A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}/y,
  },
  {
    name: 'doppler-token',
    anchors: ['dp.pt.', 'dp.st.', 'dp.ct.', 'dp.sa.', 'dp.scim.', 'dp.audit.', 'dp.said.'],
    pattern: /dp\.(?:pt|st|ct|sa|scim|audit|said)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{30,64}/y,
  },
  {
    name: 'infisical-token',
    anchors: ['st.'],
    pattern: /st\.[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}/y,
    boundary: 'strict',
  },
  // APIs: Postman, ReadMe, RapidAPI (no form), Adobe, Frame.io, Adafruit, Beamer, 42.
  { name: 'postman-key', anchors: ['pmak-', 'pmat-'], pattern: /PM(?:AK-[a-f0-9]{24}-[a-f0-9]{34}|AT-[A-Z0-9]{26})/iy },
  {
    name: 'service-url-key',
    anchors: ['loggly.com/inputs/', 'infura.io/v3/', 'alchemy.com/v2/', 'quiknode.pro/'],
    pattern: /((?:loggly\.com\/inputs|infura\.io\/v3|alchemy\.com\/v2|quiknode\.pro)\/)[A-Za-z0-9_-]{30,64}/iy,
    boundary: 'none',
    accept: isVaried,
  },
  { name: 'readme-key', anchors: ['rdme_'], pattern: /rdme_[a-z0-9]{40,80}/y },
  {
    name: 'adobe-secret',
    anchors: ['p8e-', 'p8-'],
    pattern: /p8e?-[A-Za-z0-9_-]{32}(?![A-Za-z0-9])/y,
    boundary: 'strict',
    accept: (secret) => looksRandom(secret, 16),
  },
  { name: 'frameio-token', anchors: ['fio-u-'], pattern: /fio-u-[A-Za-z0-9_=-]{40,80}/y },
  { name: 'adafruit-key', anchors: ['aio_'], pattern: /aio_[A-Za-z0-9]{28}(?![A-Za-z0-9])/y },
  {
    name: 'beamer-token',
    anchors: ['b_'],
    pattern: /b_[A-Za-z0-9=_/-]{44}(?![A-Za-z0-9=_-])/y,
    boundary: 'strict',
    accept: (token) => looksRandom(token, 30),
  },
  { name: 'intra42-secret', anchors: ['s-s4t2ud-', 's-s4t2af-'], pattern: /s-s4t2(?:ud|af)-[a-f0-9]{64}/iy },
  { name: 'settlemint-token', anchors: ['sm_aat_', 'sm_pat_', 'sm_sat_'], pattern: /sm_[aps]at_[A-Za-z0-9]{16,64}/y },
  { name: 'rootly-token', anchors: ['rootly_'], pattern: /rootly_[a-f0-9]{64}/y },
  { name: 'retool-token', anchors: ['retool_01'], pattern: /retool_01[A-Za-z0-9]{20,40}/y },
  {
    name: 'svix-key',
    anchors: ['testsk_', 'sk_'],
    pattern: /(?:testsk|sk)_[A-Za-z0-9_-]{30,64}\.(?:eu|us|in)(?![A-Za-z])/y,
    boundary: 'strict',
  },
];
