import { mintToken, OPERATOR_SCOPES } from '../cli/access.ts';
import type { Io } from '../cli/io.ts';
import type { Config } from '../config/schema.ts';
import { trimEndOf } from '../core/text/trim.ts';

/** A working day. */
const TOKEN_MS = 12 * 3_600_000;

/** What `dev` says once it listens: where things are and what to try. */
export async function banner(config: Config, port: number, io: Io): Promise<void> {
  const local = `http://127.0.0.1:${port}`;
  const base = trimEndOf(config.server.publicUrl ?? local, '/');
  const claims = { subject: 'developer', tenant: 'default', scope: OPERATOR_SCOPES, ttlMs: TOKEN_MS };
  const token = await mintToken(config.api, claims);
  const lines = [
    '',
    `Sallyport is listening on ${local}`,
    '',
    `  Slack request URL   ${base}/hooks/slack/default`,
    `  Graph               ${base}/hooks/graph/default`,
    `  Gmail push          ${base}/hooks/gmail/default`,
    `  Teams bot           ${base}/hooks/teams/default`,
    `  Teams outgoing      ${base}/hooks/teams/default/outgoing`,
    `  API                 ${base}/events`,
    `  Health              ${base}/health  ${base}/ready`,
    ...(token === null ? [] : [`  Development token   ${token}`]),
    '',
    'Try it in another terminal:',
    '',
    `  npx sallyport send slack --text "hello"${port === 8787 ? '' : ` --url ${local}`} --wait`,
    '',
  ];
  io.print(lines.join('\n'));
}
