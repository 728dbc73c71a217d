import type { Remedies } from '../core/remedies.ts';

const REACH = 'check DNS, routes and firewalls between the worker and the host, then redrive';
const PROXY = 'check `SALLYPORT_HTTPS_PROXY` and what the proxy lets through, then redrive';
const LATER = 'redrive once the other side answers again';
const GATEWAY = 'look at the other side and the proxy before it for why it failed, then redrive';

/** Of causes that every call over HTTP can have. */
export const networkRemedies: Remedies = {
  'dns-failed': REACH,
  'dns-empty': REACH,
  'connect-failed': REACH,
  'connection-lost': LATER,
  timeout: 'check that the host answers within its time limit, then redrive',
  'tls-failed': 'check the certificate of the host, and that the worker trusts its authority, then redrive',
  'proxy-unreachable': PROXY,
  'proxy-unauthorized': PROXY,
  'proxy-refused': PROXY,
  'response-malformed': GATEWAY,
  'response-too-large': 'have the other side send a smaller answer, then redrive',
  http_429: 'wait until the rate limit of the other side is over or have it raised, then redrive',
  http_500: GATEWAY,
  http_502: GATEWAY,
  http_503: LATER,
  http_504: GATEWAY,
};

/** By Entra's word for why it gave an application no token; `names` are the settings of its credentials. */
export function entraRemedies(names: {
  readonly id: string;
  readonly secret: string;
  readonly tenant: string;
}): Remedies {
  const { id, secret, tenant } = names;
  const credentials = `check \`${id}\` and \`${secret}\` in the registration of the app, then redrive`;
  return {
    AADSTS7000215: `set \`${secret}\` to the value, not the id, of a secret of the app, then redrive`,
    AADSTS7000222: `make a new secret in the registration of the app: the one in \`${secret}\` has expired, then redrive`,
    AADSTS700016: `check that \`${id}\` is registered in the directory of \`${tenant}\`, then redrive`,
    AADSTS90002: `set \`${tenant}\` to the id of an existing directory, then redrive`,
    AADSTS900023: `set \`${tenant}\` to the id of a directory, then redrive`,
    AADSTS53003: 'have an administrator exempt the app from the conditional access policy, then redrive',
    token_invalid_client: credentials,
    token_unauthorized_client: credentials,
    token_http_400: credentials,
    token_http_401: credentials,
    token_malformed: 'check the URL of the token endpoint, then redrive',
  };
}
