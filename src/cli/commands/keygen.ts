import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { freshKeyPair } from '../../core/ed25519.node.ts';
import { freshSecrets } from '../dev-secrets.ts';
import type { Io } from '../io.ts';

export function registerKeygen(program: Command, io: Io): void {
  program
    .command('keygen')
    .description('print fresh secrets for .env (the Slack signing secret comes from your Slack app)')
    .action(() => {
      const { SALLYPORT_SEAL_KEY, SALLYPORT_ID_KEY, SALLYPORT_JWT_SECRET } = freshSecrets();
      const SALLYPORT_METRICS_TOKEN = randomBytes(24).toString('base64url');
      const { privateKey: SALLYPORT_AUDIT_KEY, publicKey: SALLYPORT_AUDIT_PUBLIC_KEY } = freshKeyPair();
      const audit = { SALLYPORT_AUDIT_KEY, SALLYPORT_AUDIT_PUBLIC_KEY };
      const keys = { SALLYPORT_SEAL_KEY, SALLYPORT_ID_KEY, SALLYPORT_JWT_SECRET, SALLYPORT_METRICS_TOKEN, ...audit };
      for (const [name, value] of Object.entries(keys)) io.print(`${name}=${value}`);
    });
}
