import { mintToken, OPERATOR_SCOPES } from '../cli/access.ts';
import type { Io } from '../cli/io.ts';
import type { ChannelName } from '../core/event.ts';
import { trimEndOf } from '../core/text/trim.ts';
import type { Runtime } from './runtime.node.ts';

/** A working day. */
const TOKEN_MS = 12 * 3_600_000;

/** What `dev` says once it listens: where things are and what to try. */
export async function banner({ config, plugs: { modules } }: Runtime, port: number, io: Io): Promise<void> {
  const local = `http://127.0.0.1:${port}`;
  const base = trimEndOf(config.server.publicUrl ?? local, '/');
  const claims = { subject: 'developer', tenant: 'default', scope: OPERATOR_SCOPES, ttlMs: TOKEN_MS };
  const token = await mintToken(config.api, claims);
  const lines = [
    '',
    `Sallyport is listening on ${local}`,
    '',
    ...modules.flatMap(({ name, hooks }) => hooks.map(({ label, path }) => line(label, hookUrl(base, name, path)))),
    line('API', `${base}/events`),
    line('Health', `${base}/health  ${base}/ready`),
    ...(token === null ? [] : [line('Development token', token)]),
    '',
    'Try it in another terminal:',
    '',
    `  npx sallyport send ${modules[0]?.name} --text "hello"${port === 8787 ? '' : ` --url ${local}`} --wait`,
    '',
  ];
  io.print(lines.join('\n'));
}

/** Labels have room for 19 characters. */
const line = (label: string, text: string): string => `  ${label.padEnd(20)}${text}`;

const hookUrl = (base: string, name: ChannelName, path: string): string =>
  [base, 'hooks', name, 'default', ...(path === '' ? [] : [path])].join('/');
