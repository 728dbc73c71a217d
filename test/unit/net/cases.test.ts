import { buildConnector } from 'undici';
import { describe, expect, it } from 'vitest';
import { verdictOfLine } from '../../../src/cli/commands/check-url.ts';
import { addressKind } from '../../../src/net/guard/address.ts';
import { OutboundError } from '../../../src/net/guard/reasons.ts';
import type { Resolve } from '../../../src/net/guard/resolve.ts';
import { hostKey } from '../../../src/net/guard/verdict.ts';
import { createGuardedFetch } from '../../../src/net/guarded-fetch.ts';
import { type Case, cases, collectedCases } from './support/cases.ts';
import { startWeb } from './support/web.ts';

const noNameServer: Resolve = async () => {
  throw new Error('a verdict with its own answers asked a name server');
};

describe('the table', () => judge(cases));
collectedCases.describe('the collected cases', () =>
  judge(collectedCases.json<{ cases: readonly Case[] }>()?.cases ?? []),
);

function judge(table: readonly Case[]): void {
  it('gets the right verdict for every case', async () => {
    expect(table.length).toBeGreaterThan(0);
    const wrong = [];
    for (const { url, dns, redirect, expected } of table) {
      const verdict = await verdictOfLine(JSON.stringify({ url, resolve: dns ?? {}, redirect }), noNameServer);
      expect(verdict.url).toBe(url);
      if (verdict.verdict !== expected) wrong.push(verdict);
    }
    expect(wrong).toEqual([]);
  });

  it('opens sockets to public addresses only, and none for what is blocked at the first hop', async () => {
    const wrong = [];
    for (const one of table) {
      const { dialled, outcome } = await attempt(one);
      const isPublic = dialled.every((address) => addressKind(address) === 'public');
      // A later hop is refused after an honest first socket; an answer that flips later is never asked for.
      const mayDial = one.expected === 'allowed' || one.redirect !== undefined || flips(one);
      const isRight = isPublic && (mayDial || dialled.length === 0) && (one.expected === 'blocked' || outcome === 'ok');
      if (!isRight) wrong.push({ url: one.url, dialled, outcome });
    }
    expect(wrong).toEqual([]);
  });
}

const flips = ({ dns = {} }: Case): boolean => Object.values(dns).some((answer) => 'sequence' in answer);

/** The case against the real client: every socket it asks for is noted and led to one local server. */
async function attempt({ url, dns = {}, redirect }: Case): Promise<{ dialled: string[]; outcome: string }> {
  const web = await startWeb((_request, response) => {
    const isFirst = web.requests.length === 1;
    if (isFirst && redirect?.location !== undefined) {
      response.writeHead(redirect.status, { location: Buffer.from(redirect.location).toString('latin1') });
    }
    response.end();
  });
  const dialled: string[] = [];
  const plain = buildConnector({});
  const fetch = createGuardedFetch({
    resolve: turningAnswers(dns),
    connector: (options, callback) => {
      dialled.push(options.hostname);
      plain({ ...options, protocol: 'http:', hostname: '127.0.0.1', port: String(web.port) }, callback);
    },
  });
  const outcome = await fetch(url).then(
    () => 'ok',
    (error: unknown) => (error instanceof OutboundError ? error.reason : String(error)),
  );
  await fetch.close();
  return { dialled, outcome };
}

/** Each name's next set for each time it is asked for. */
function turningAnswers(dns: NonNullable<Case['dns']>): Resolve {
  const answers = new Map(Object.entries(dns).map(([host, answer]) => [hostKey(host), answer]));
  const turns = new Map<string, number>();
  return async (host) => {
    const answer = answers.get(host) ?? [];
    const turn = turns.get(host) ?? 0;
    turns.set(host, turn + 1);
    return 'sequence' in answer ? (answer.sequence[Math.min(turn, answer.sequence.length - 1)] ?? []) : answer;
  };
}
