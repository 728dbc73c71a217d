import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A certificate and its private key, in PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Pair {
  /** A certificate of this authority. `days`: for how long; negative: it has expired. */
  issue(name: string, days?: number): Pair;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });

/** Makes an authority with openssl, for the test that runs. Its certificates are for their name and for 127.0.0.1. */
export function createAuthority(commonName = 'sallyport-test-authority'): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-authority-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => join(folder, name);
  const read = (name: string): string => readFileSync(at(name), 'utf8');
  const own = ['-keyout', at('ca.key'), '-out', at('ca.pem')];
  openssl('req', '-x509', ...CURVE, '-days', '2', '-subj', `/CN=${commonName}`, ...own);
  return {
    cert: read('ca.pem'),
    key: read('ca.key'),
    issue(name, days = 2) {
      writeFileSync(at('names'), `subjectAltName=DNS:${name},IP:127.0.0.1\n`);
      openssl('req', '-new', ...CURVE, '-subj', `/CN=${name}`, '-keyout', at('own.key'), '-out', at('own.csr'));
      const signing = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', String(days)];
      openssl('x509', '-req', '-in', at('own.csr'), ...signing, '-extfile', at('names'), '-out', at('own.pem'));
      return { cert: read('own.pem'), key: read('own.key') };
    },
  };
}
