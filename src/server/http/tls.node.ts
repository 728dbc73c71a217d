import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { SallyportError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';

/** Where a listener's certificate is. */
export interface TlsFiles {
  /** PEM: its certificate, and those that lead to its authority. */
  readonly cert: string;
  readonly key: string;
  /** PEM: the authorities of clients' certificates. */
  readonly clientCa?: string | undefined;
}

/** What a TLS server needs of these files. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  /** RFC 9325, 3.1.1: nothing older. */
  readonly minVersion: 'TLSv1.2';
}

/** The certificate of a listener, which follows its files. */
export interface Tls {
  readonly current: () => TlsIdentity;
  readonly asksClients: boolean;
  /** Calls back with each new certificate. */
  onChange(listener: (identity: TlsIdentity) => void): void;
  /** A readiness probe. @throws SallyportError ERR_CERTIFICATE_INVALID: the files cannot be used; ERR_CERTIFICATE_EXPIRED */
  readonly probe: () => Promise<void>;
  stop(): void;
}

/**
 * Between two looks at the files, in ms. They are read whole: Kubernetes swaps a symbolic link two levels above them, which
 * watchers of files miss, and keeps the times of what lies behind it.
 */
const LOOK_MS = 5_000;

/**
 * Reads a certificate and goes on reading it. What cannot be used later, such as a certificate whose key has not been
 * written yet, changes nothing: the one before goes on serving.
 * @throws SallyportError ERR_CONFIG_INVALID that names each setting whose file cannot be used
 */
export async function openTls(
  files: TlsFiles,
  { logger, everyMs = LOOK_MS }: { readonly logger: Logger; readonly everyMs?: number },
): Promise<Tls> {
  let text = await readTexts(files);
  let identity = identityOf(text);
  /** What cannot be used: at the last look, and at two looks in a row. A file may be read while it is being written. */
  let suspect: Texts | null = null;
  let failing: Texts | null = null;
  const listeners: ((identity: TlsIdentity) => void)[] = [];
  warnOfExpiry(identity, logger);

  const look = async (): Promise<void> => {
    const read = await readTexts(files);
    const isKnown = isSame(read, text);
    try {
      const next = isKnown ? identity : identityOf(read);
      [text, identity, suspect, failing] = [read, next, null, null];
      if (isKnown) return;
      logger.info({ expires: expiryOf(next).toISOString() }, 'tls.reloaded');
      warnOfExpiry(next, logger);
      for (const listener of listeners) listener(next);
    } catch (error) {
      const isNew = failing === null || !isSame(failing, read);
      const isCertain = suspect !== null && isSame(suspect, read);
      suspect = read;
      if (!isNew || !isCertain) return;
      failing = read;
      logger.error({ problem: (error as Error).message }, 'tls.reload-failed');
    }
  };
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  return {
    current: () => identity,
    asksClients: files.clientCa !== undefined,
    onChange: (listener) => void listeners.push(listener),
    async probe() {
      if (failing !== null) throw new SallyportError('ERR_CERTIFICATE_INVALID', 'the files of the certificate changed');
      if (expiryOf(identity).getTime() <= Date.now()) throw new SallyportError('ERR_CERTIFICATE_EXPIRED', 'it expired');
    },
    stop: () => clearInterval(timer),
  };
}

/** For `sallyport doctor`. @throws Error that names each setting whose file cannot be used, or an expired certificate */
export async function examineTls(files: TlsFiles): Promise<string> {
  const expiry = expiryOf(identityOf(await readTexts(files)));
  const day = expiry.toISOString().slice(0, 10);
  if (expiry.getTime() <= Date.now()) throw new Error(`SALLYPORT_TLS_CERT: expired on ${day}`);
  return `the certificate is valid until ${day}${files.clientCa === undefined ? '' : '; the API requires client certificates'}`;
}

function warnOfExpiry(identity: TlsIdentity, logger: Logger): void {
  const expiry = expiryOf(identity);
  if (expiry.getTime() > Date.now()) return;
  logger.warn({ setting: 'SALLYPORT_TLS_CERT', expired: expiry.toISOString() }, 'tls.certificate-expired');
}

const expiryOf = ({ cert }: TlsIdentity): Date => new Date(new X509Certificate(cert).validTo);

const settings = { cert: 'SALLYPORT_TLS_CERT', key: 'SALLYPORT_TLS_KEY', clientCa: 'SALLYPORT_TLS_CLIENT_CA' } as const;
const names = ['cert', 'key', 'clientCa'] as const;

type FileName = (typeof names)[number];
/** The content of each file, or why it could not be read; absent for one that is not set. */
type Texts = Readonly<Partial<Record<FileName, { readonly pem: string } | { readonly problem: string }>>>;

async function readTexts(files: TlsFiles): Promise<Texts> {
  const read = async (name: FileName) => {
    const path = files[name];
    if (path === undefined) return [];
    const text = await readFile(resolve(path), 'utf8').then(
      (pem) => ({ pem }),
      ({ code }: NodeJS.ErrnoException) => ({ problem: `the file cannot be read (${code})` }),
    );
    return [[name, text] as const];
  };
  return Object.fromEntries((await Promise.all(names.map(read))).flat());
}

const isSame = (one: Texts, other: Texts): boolean => JSON.stringify(one) === JSON.stringify(other);

/** @throws SallyportError ERR_CONFIG_INVALID with every problem, each with its setting and no content of a file */
function identityOf(texts: Texts): TlsIdentity {
  const problems: string[] = [];
  const pemOf = <T>(name: FileName, parse: (pem: string) => T, expected: string): { pem: string; parsed: T } | null => {
    const text = texts[name];
    if (text === undefined) return null;
    try {
      if ('problem' in text) problems.push(`${settings[name]}: ${text.problem}`);
      else return { pem: text.pem, parsed: parse(text.pem) };
    } catch {
      problems.push(`${settings[name]}: is not ${expected}`);
    }
    return null;
  };
  const certificateOf = (pem: string): X509Certificate => new X509Certificate(pem);
  const cert = pemOf('cert', certificateOf, 'a certificate in PEM');
  const key = pemOf('key', (pem): KeyObject => createPrivateKey(pem), 'a private key in PEM without a passphrase');
  const ca = pemOf('clientCa', certificateOf, 'a certificate in PEM');
  if (cert !== null && key !== null) {
    if (!cert.parsed.checkPrivateKey(key.parsed)) {
      problems.push(`${settings.key}: does not belong to the certificate of ${settings.cert}`);
    }
    const identity: TlsIdentity = {
      cert: cert.pem,
      key: key.pem,
      ...(ca !== null && { ca: ca.pem }),
      minVersion: 'TLSv1.2',
    };
    if (problems.length === 0 && isUsable(identity, problems)) return identity;
  }
  throw new SallyportError('ERR_CONFIG_INVALID', problems.join('\n  '));
}

/** What only OpenSSL refuses: a key that is too short, a chain that cannot be read. */
function isUsable(identity: TlsIdentity, problems: string[]): boolean {
  try {
    createSecureContext(identity);
    return true;
  } catch (error) {
    problems.push(`${settings.cert}: cannot be used (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    return false;
  }
}
