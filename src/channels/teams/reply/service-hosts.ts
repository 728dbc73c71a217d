import { SallyportError } from '../../../core/errors.ts';
import { parseUrl } from '../../../core/text/url.ts';

/**
 * Where the Bot connector lives: Teams' own hosts for the public cloud and GCC
 * (microsoft.github.io/teams-sdk/csharp/essentials/app-configuration/service-url-validation), and the Bot Framework's for
 * its other channels. Government clouds have hosts of their own and are configured.
 */
export const defaultServiceHosts: readonly string[] = [
  'smba.trafficmanager.net',
  'smba.onyx.prod.teams.trafficmanager.net',
  'smba.infra.gcc.teams.microsoft.com',
  '*.botframework.com',
];

/** `host`, `host:port` or `*.domain.tld`. */
const ENTRY = /^(?:\*\.(?=[^.:]+\.)|)([a-z0-9-]+(?:\.[a-z0-9-]+)*|\[::1\])(?::([0-9]{1,5}))?$/;

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

interface Entry {
  /** With a leading dot for a wildcard. */
  readonly host: string;
  readonly port: string | undefined;
}

/** Whether our token may be sent to a service URL. */
export type IsServiceAllowed = (serviceUrl: string) => boolean;

/**
 * Knows the hosts a bot's replies may go to. A plain entry means https on its usual port; a loopback host without a port
 * means any port and http as well, because that is where a local connector is.
 * @throws SallyportError ERR_CONFIG_INVALID for what is no such entry
 */
export function createServiceHosts(hosts: readonly string[]): IsServiceAllowed {
  const entries = hosts.map(readEntry);
  return (serviceUrl) => {
    const url = readServiceUrl(serviceUrl);
    return url !== null && entries.some((entry) => matches(entry, url));
  };
}

export const isLoopback = (hostname: string): boolean => LOOPBACK.test(hostname);

function readEntry(text: string): Entry {
  const [, host, port] = ENTRY.exec(text) ?? [];
  if (host === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'TEAMS_SERVICE_HOSTS: holds no host name');
  return { host: text.startsWith('*.') ? `.${host}` : host, port };
}

/** A URL that a path can be appended to; the parser must have had nothing to repair in it. */
function readServiceUrl(text: string): URL | null {
  const url = parseUrl(text);
  if (url === null || (url.href !== text && url.href !== `${text}/`)) return null;
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return null;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)) ? url : null;
}

function matches({ host, port }: Entry, url: URL): boolean {
  const isHost = host.startsWith('.') ? url.hostname.endsWith(host) : url.hostname === host;
  if (!isHost) return false;
  if (port === undefined) return url.port === '' || isLoopback(host);
  return (url.port || (url.protocol === 'https:' ? '443' : '80')) === port;
}
