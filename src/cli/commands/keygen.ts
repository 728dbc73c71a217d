import { randomBytes } from 'node:crypto';
import { Argument, type Command } from 'commander';
import { freshKeyPair } from '../../core/crypto/ed25519.node.ts';
import { freshProductionSecrets } from '../dev/secrets.ts';
import type { Io } from '../io.ts';

export function registerKeygen(program: Command, io: Io): void {
  program
    .command('keygen')
    .description(
      'print fresh secrets for .env, those that it and the environment lack (the Slack signing secret comes from your Slack app)',
    )
    .addArgument(new Argument('[for]', 'relay: a fresh SALLYPORT_RELAY_KEY, for gate and edge').choices(['relay']))
    .action((isFor?: 'relay') => {
      // Each time a new one, as a rotation needs a second key.
      if (isFor === 'relay') return io.print(`SALLYPORT_RELAY_KEY=${randomBytes(32).toString('base64')}`);
      const { SALLYPORT_JWT_SECRET, ...others } = freshProductionSecrets();
      const { privateKey: SALLYPORT_AUDIT_KEY, publicKey: SALLYPORT_AUDIT_PUBLIC_KEY } = freshKeyPair();
      const audit = { SALLYPORT_AUDIT_KEY, SALLYPORT_AUDIT_PUBLIC_KEY };
      const isSet = (name: string): boolean =>
        [name, `${name}_FILE`].some((one) => (io.environment[one] ?? '').trim() !== '');
      const { SALLYPORT_METRICS_TOKEN, ...sealing } = others;
      const keys = {
        ...sealing,
        // Tokens of an identity provider need no secret of ours, and exclude one.
        ...(isSet('SALLYPORT_JWT_JWKS_URL') ? {} : { SALLYPORT_JWT_SECRET }),
        SALLYPORT_METRICS_TOKEN,
        // A pair: half of a fresh one would not fit the half that is set.
        ...(Object.keys(audit).some(isSet) ? {} : audit),
      };
      const missing = Object.entries(keys).filter(([name]) => !isSet(name));
      for (const [name, value] of missing) io.print(`${name}=${value}`);
      if (missing.length === 0) io.complain('every secret that keygen makes is set already');
    });
}
