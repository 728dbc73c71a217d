import type { Command } from 'commander';
import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { isScope, scopeMeanings, scopes } from '../../core/scope.ts';
import { duration, tenantName } from '../../core/setting-values.ts';
import { callApi, cannotMint, isTokenGiven, mintToken } from '../access.ts';
import { withUrl } from '../gate.ts';
import { columns, EXIT, Exit, type Io } from '../io.ts';
import { toolSettings } from '../settings.ts';

interface MintOptions {
  readonly scope?: string;
  readonly tenant?: string;
  readonly sub?: string;
  readonly ttl?: string;
}

interface RevokeOptions extends MintOptions {
  readonly url?: string;
  readonly insecure?: boolean;
  readonly jti?: string;
  readonly tenantWide?: boolean;
  readonly before?: string;
  readonly confirm?: boolean;
  readonly json?: boolean;
}

export function registerToken(program: Command, io: Io): void {
  const token = program
    .command('token')
    .description('mint an HS256 token for the API (SALLYPORT_JWT_SECRET, or the development secret)')
    .option('--scope <scopes>', 'space-separated scopes, e.g. "events:read events:write" (required)')
    // `revoke` has options of the same names, which commander gives to the first command that knows them: no defaults here.
    .option('--tenant <tenant>', 'the tenant the caller acts for (default: "default")')
    .option('--sub <subject>', 'who the caller is (default: "operator")')
    .option('--ttl <duration>', 'how long it is good, e.g. 15m; at most SALLYPORT_TOKEN_MAX_LIFE (default: "1h")')
    .addHelpText('after', `\nScopes:\n${scopes.map((one) => `  ${one.padEnd(22)}${scopeMeanings[one]}`).join('\n')}`)
    .action((options: MintOptions) => mint(options, io));
  withUrl(token.command('revoke'))
    .description('end a token, or all tokens of a subject or of the tenant, at once (over HTTP)')
    .option('--jti <id>', 'the one token with this id')
    .option('--sub <subject>', 'tokens of this subject')
    .option('--tenant-wide', 'tokens of everyone in the tenant')
    .option('--before <time>', 'only those issued before, e.g. 2026-01-31T12:00:00Z; default: now')
    .option('--confirm', 'even if it ends the token in SALLYPORT_TOKEN')
    .option('--tenant <tenant>', 'tenant of a minted token (default: "default")')
    .option('--json', 'print the API answer')
    .action((_, command: Command) => revoke(command.optsWithGlobals<RevokeOptions>(), io));
}

async function mint(options: MintOptions, io: Io): Promise<void> {
  const { scope, tenant = 'default', sub: subject = 'operator', ttl = '1h' } = options;
  if (scope === undefined) throw new Exit(EXIT.usage, "error: required option '--scope <scopes>' not specified");
  const wanted = scope.split(' ').filter((one) => one !== '');
  if (wanted.length === 0 || !wanted.every(isScope)) {
    throw new Exit(EXIT.usage, `--scope: must be some of ${scopes.join(', ')}`);
  }
  const ttlMs = duration.safeParse(ttl);
  if (!ttlMs.success || ttlMs.data < 1000) throw new Exit(EXIT.usage, '--ttl: must be a duration like 15m or 1h');
  if (!tenantName.safeParse(tenant).success) throw new Exit(EXIT.usage, '--tenant: is not a tenant name');
  if (subject === '') throw new Exit(EXIT.usage, '--sub: is empty');
  const { api } = await toolSettings(io);
  if (ttlMs.data > api.tokenMaxLife) {
    const most = `${Math.floor(api.tokenMaxLife / 60_000)}m`;
    throw new Exit(
      EXIT.usage,
      `--ttl: must be at most ${most}, the greatest life of a token (SALLYPORT_TOKEN_MAX_LIFE)`,
    );
  }
  const token = await mintToken(api, { scope: wanted.join(' '), tenant, subject, ttlMs: ttlMs.data });
  if (token === null) throw cannotMint(api);
  io.print(token);
}

const revoked = z.object({ id: z.string(), before: z.string().optional(), revokedAt: z.string() });

async function revoke(options: RevokeOptions, io: Io): Promise<void> {
  const { jti, sub, tenantWide, before, tenant = 'default', url, insecure, json } = options;
  if (options.scope !== undefined || options.ttl !== undefined) {
    throw new Exit(EXIT.usage, 'token revoke: --scope and --ttl are of a token that is minted');
  }
  const targets = [jti, sub, tenantWide].filter((one) => one !== undefined);
  if (targets.length !== 1) throw new Exit(EXIT.usage, 'token revoke: needs one of --jti, --sub and --tenant-wide');
  if (before !== undefined && jti !== undefined) throw new Exit(EXIT.usage, '--before: must not be set with --jti');
  if (before !== undefined && !z.iso.datetime({ offset: true }).safeParse(before).success) {
    throw new Exit(EXIT.usage, '--before: must be a time like 2026-01-31T12:00:00Z');
  }
  // A token that was minted for this command is not missed.
  const isConfirmed = options.confirm === true || !(await isTokenGiven(io));
  const answer = await callApi(io, { tenant, url, insecure }, 'POST', '/revocations', {
    ...defined({ jti, sub }),
    ...(tenantWide !== undefined && { tenant: true }),
    ...defined({ before }),
    ...(isConfirmed && { confirm: true }),
  });
  if (json) {
    io.print(JSON.stringify(answer, null, 2));
    return;
  }
  const { id, before: issuedBefore, revokedAt } = revoked.parse(answer);
  io.print(columns([id, issuedBefore === undefined ? `revoked=${revokedAt}` : `issued-before=${issuedBefore}`]));
}
