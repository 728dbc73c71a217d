import type { Command } from 'commander';
import type { Config } from '../config/schema.ts';
import { isLoopbackHost } from '../core/setting-values.ts';
import { trimEndOf } from '../core/text/cap.ts';
import { parseUrl } from '../core/text/url.ts';
import { readRunningDev } from './dev/running.ts';
import { EXIT, Exit, type Io } from './io.ts';
import { toolSettings } from './settings.ts';

/** Which gate a command speaks to, and for whom. */
export interface GateOptions {
  readonly tenant: string;
  readonly url?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** Adds what says which gate a command speaks to. */
export const withUrl = (command: Command): Command =>
  command
    .option('--url <url>', 'the gate (default: SALLYPORT_URL, else the `dev` of this folder, else 127.0.0.1)')
    .option('--insecure', 'speak plain http to another host (SALLYPORT_URL_INSECURE=1)');

/** Adds the options of every command that calls the API and prints what it answers. */
export const withGateOptions = (command: Command): Command =>
  withUrl(
    command.option('--json', 'print the API answer').option('--tenant <tenant>', 'tenant of a minted token', 'default'),
  );

/** A gate on this machine. Its certificate has to be for that address as well; otherwise `SALLYPORT_URL` says another. */
export const localUrl = ({ port, tls }: Pick<Config['server'], 'port' | 'tls'>): string =>
  `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;

export interface Gate {
  /** Without a slash at the end. */
  readonly url: string;
  /** Of the `dev` that runs there, for the tenant `default`. */
  readonly devToken: string | null;
  /** Whether the user named it. */
  readonly isNamed: boolean;
}

/**
 * Finds the gate: the one that is named, else the `dev` that runs in this folder, else the configured port of this machine.
 * @throws Exit 2 or 78 for a URL that is none, or that would be spoken to in plain text
 */
export async function findGate(io: Io, { url, insecure }: Omit<GateOptions, 'tenant'>): Promise<Gate> {
  const named = url ?? io.environment.SALLYPORT_URL;
  const dev = await readRunningDev(io);
  if (!named) {
    const found = dev?.url ?? localUrl((await toolSettings(io)).server);
    return { url: found, devToken: dev?.token ?? null, isNamed: false };
  }
  const [setting, code] = url === undefined ? ['SALLYPORT_URL', EXIT.config] : ['--url', EXIT.usage];
  const parsed = parseUrl(named);
  if (parsed === null || !/^https?:/.test(named)) throw new Exit(code, `${setting}: is not a URL`);
  const isAllowed = insecure === true || io.environment.SALLYPORT_URL_INSECURE === '1';
  if (parsed.protocol === 'http:' && !isLoopbackHost(parsed.hostname) && !isAllowed) {
    throw new Exit(
      code,
      `${setting}: plain http to another host can be read on the way; use https, or --insecure (SALLYPORT_URL_INSECURE=1)`,
    );
  }
  const isDev = dev !== null && new URL(dev.url).origin === parsed.origin;
  return { url: trimEndOf(named, '/'), devToken: isDev ? dev.token : null, isNamed: true };
}

/** What to try when the gate that nobody named is not there. */
export const otherGate = ({ isNamed }: Gate): string =>
  isNamed ? '' : '; start `sallyport dev` here, or name the gate with --url or SALLYPORT_URL';
