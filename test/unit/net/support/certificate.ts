import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh self-signed certificate for these names: a server's identity and the authority that vouches for it in one. */
export function selfSigned(names: readonly string[]): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const alternatives = names.map((name) => `${/^[\d.]+$/.test(name) ? 'IP' : 'DNS'}:${name}`).join(',');
    const request = ['req', '-x509', '-nodes', '-days', '2', '-subj', '/CN=sallyport-test', '-newkey', 'ec'];
    const curve = ['-pkeyopt', 'ec_paramgen_curve:prime256v1', '-addext', `subjectAltName=${alternatives}`];
    execFileSync('openssl', [...request, ...curve, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
