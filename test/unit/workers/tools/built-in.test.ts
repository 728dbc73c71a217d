import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SallyportError } from '../../../../src/core/errors.ts';
import { addressKind } from '../../../../src/net/guard/address.ts';
import { createGuardedFetch, type GuardedFetch } from '../../../../src/net/guarded-fetch.ts';
import { createLinkHosts } from '../../../../src/workers/guardrails/links/link-hosts.ts';
import { createDelegate, type SubTask } from '../../../../src/workers/tools/delegate.ts';
import { createFetchUrl } from '../../../../src/workers/tools/fetch-url.ts';
import { replyTool } from '../../../../src/workers/tools/reply.ts';
import type { Tool } from '../../../../src/workers/tools/tool.ts';
import { testFolder } from '../../../support/folder.ts';
import { htmlSample, htmlSampleText } from '../../../support/html-sample.ts';
import { openToolRun, SECRET, type ToolRun } from '../../../support/tool-run.ts';
import { type Case, cases, collectedCases } from '../../net/support/cases.ts';
import { dialling, fixedNames, startWeb } from '../../net/support/web.ts';

const PUBLIC = '93.184.216.34';

let run: ToolRun;
beforeEach(async () => {
  run = await openToolRun(await testFolder());
});
afterEach(() => run.close());

const bytes = (text: string): Buffer => Buffer.from(text);

async function openPages(
  pages: Readonly<Record<string, { type?: string; body: Buffer; status?: number; location?: string }>>,
  hosts?: readonly string[],
) {
  const web = await startWeb((request, response) => {
    const page = pages[request.url ?? ''] ?? { body: bytes('not found'), status: 404, type: 'text/plain' };
    if (page.type !== undefined) response.setHeader('content-type', page.type);
    if (page.location !== undefined) response.setHeader('location', page.location);
    response.writeHead(page.status ?? 200).end(page.body);
  });
  const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port });
  const resolve = fixedNames({
    'open.example': [PUBLIC],
    'other.example': [PUBLIC],
    'a.docs.example': [PUBLIC],
    'inner.example': ['10.0.0.1'],
  });
  const fetch: GuardedFetch = createGuardedFetch({
    ...{ resolve, connector, maxBytes: 100_000 },
    ...(hosts && { isListed: createLinkHosts(hosts) }),
  });
  const tool = { ...createFetchUrl(fetch, hosts), maxCalls: 100 } as Tool;
  const { toolbox } = await run.attempt([tool], { maxCalls: 500 });
  let n = 0;
  return {
    dialled,
    web,
    told: toolbox.tools[0]?.description,
    get: (url: string) => {
      n += 1;
      return toolbox.call({ id: `tool:${n}.0`, name: 'fetch_url', input: { url } });
    },
    close: () => fetch.close(),
  };
}

describe('fetch_url', () => {
  test('asks listed hosts only where there is a list, at every hop, and says which', async () => {
    const elsewhere = { status: 302, location: 'http://other.example/', body: bytes('') };
    const pages = { '/': { type: 'text/plain', body: bytes('hi') }, '/away': elsewhere };
    const { get, dialled, told, close } = await openPages(pages, ['open.example', '*.docs.example']);
    expect(told).toContain('open.example, *.docs.example');
    expect(await get('http://open.example/')).toMatchObject({ value: { text: 'hi' } });
    expect(await get('http://a.docs.example/')).toMatchObject({ value: { text: 'hi' } });
    const refused = { kind: 'refused', message: 'this URL may not be fetched' };
    const calls = dialled.length;
    for (const url of [
      'http://other.example/',
      'http://docs.example/',
      `http://${PUBLIC}/`,
      'http://open.example.evil.example/',
    ]) {
      expect(await get(url), url).toMatchObject(refused);
    }
    expect(dialled).toHaveLength(calls);
    expect(await get('http://open.example/away')).toMatchObject(refused);
    await close();
  });

  test('reads pages as text, says where it ended and with what status', async () => {
    const html =
      '<html><head><title>t</title><script>x()</script></head><body><h1>Hi</h1><p>caf&eacute; &amp; co</p></body></html>';
    const { get, close } = await openPages({
      '/': { type: 'text/html; charset=utf-8', body: bytes(html) },
      '/sample': { type: 'application/xhtml+xml', body: bytes(htmlSample) },
      '/latin': { type: 'text/plain; charset="ISO-8859-1"', body: Buffer.from('café', 'latin1') },
      '/json': { type: 'application/ld+json', body: bytes('{"a":1}') },
      '/from': { status: 302, location: '/json', body: bytes('') },
      '/odd': { type: 'text/plain; charset=klingon', body: bytes('nuqneH') },
    });
    expect(await get('http://open.example/')).toMatchObject({
      value: { status: 200, text: 'Hi\n\ncafé & co' },
    });
    expect(await get('http://open.example/sample')).toMatchObject({ value: { text: htmlSampleText } });
    expect(JSON.stringify(await get('http://open.example/#x'))).not.toMatch(/script|<h1>/);
    expect(await get('http://open.example/latin')).toMatchObject({ value: { text: 'café' } });
    expect(await get('http://open.example/odd')).toMatchObject({ value: { text: 'nuqneH' } });
    expect(await get('http://open.example/from')).toEqual({
      kind: 'result',
      value: { url: 'http://open.example/json', status: 200, text: '{"a":1}' },
    });
    expect(await get('http://open.example/none')).toMatchObject({ value: { status: 404 } });
    await close();
  });

  test('takes no other content, cuts what is long, and scrubs what it read', async () => {
    const { get, close } = await openPages({
      '/image': { type: 'image/png', body: bytes('PNG') },
      '/untyped': { body: bytes('x') },
      '/binary': { type: 'application/octet-stream', body: bytes('x') },
      '/long': { type: 'text/plain', body: bytes('é'.repeat(40_000)) },
      '/huge': { type: 'text/plain', body: bytes('x'.repeat(200_000)) },
      '/secret': { type: 'text/plain', body: bytes(`key ${SECRET}`) },
    });
    for (const path of ['image', 'untyped', 'binary']) {
      expect(await get(`http://open.example/${path}`)).toMatchObject({
        code: 'refused',
        message: 'this is not a text',
      });
    }
    expect(await get('http://open.example/long')).toMatchObject({ value: { cut: true, text: 'é'.repeat(16_384) } });
    expect(await get('http://open.example/huge')).toMatchObject({ code: 'refused', message: 'the page is too large' });
    expect(JSON.stringify(await get('http://open.example/secret'))).not.toContain(SECRET);
    await close();
  });

  test('tells nobody which inner names exist, and sends nothing but a GET without our headers', async () => {
    const { get, close, web } = await openPages({ '/': { type: 'text/plain', body: bytes('x') } });
    const inner = await get('http://inner.example/');
    expect(inner).toMatchObject({ kind: 'refused', message: 'this URL may not be fetched' });
    for (const url of [
      'http://unknown.example/',
      'http://127.0.0.1/',
      'http://redis/',
      'file:///etc/passwd',
      'nonsense',
    ]) {
      expect(await get(url)).toEqual(inner);
    }
    await get('http://open.example/');
    expect(web.requests[0]?.method).toBe('GET');
    expect(Object.keys(web.requests[0]?.headers ?? {}).sort()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ]);
    await close();
  });

  test('opens sockets to public addresses only, whatever it is given', () => dialsPublicOnly(cases));

  collectedCases.describe('over the collected cases', () => {
    const table = collectedCases.json<{ cases: readonly Case[] }>()?.cases ?? [];
    test('opens sockets to public addresses only', () => dialsPublicOnly(table));
  });

  async function dialsPublicOnly(table: readonly Case[]): Promise<void> {
    expect(table.length).toBeGreaterThan(0);
    const wrong: unknown[] = [];
    for (const [n, one] of table.entries()) {
      const { connector, dialled } = dialling({});
      const resolve = fixedNames(
        Object.fromEntries(
          Object.entries(one.dns ?? {}).map(([host, answer]) => [
            host,
            'sequence' in answer ? (answer.sequence[0] ?? []) : answer,
          ]),
        ),
      );
      const fetch = createGuardedFetch({ resolve, connector });
      const tool = createFetchUrl(fetch);
      const context = {
        tenant: 't',
        eventId: 'e',
        callId: 'c',
        step: `${n}`,
        run: never,
        signal: never,
        fetch: globalThis.fetch,
      };
      await Promise.resolve(tool.run({ url: one.url }, context)).catch(() => {});
      if (dialled.some((to) => addressKind(to.slice(0, to.lastIndexOf(':')).replace(/^\[|\]$/g, '')) !== 'public'))
        wrong.push([one.url, dialled]);
      await fetch.close();
    }
    expect(wrong).toEqual([]);
  }
});

const never = new AbortController().signal;

describe('reply', () => {
  test('is the end of the run, with a text', async () => {
    const { toolbox } = await run.attempt([replyTool as Tool]);
    expect(await toolbox.call({ id: 'tool:1.0', name: 'reply', input: { text: '  ' } })).toMatchObject({
      code: 'bad-arguments',
    });
    expect(await toolbox.call({ id: 'tool:1.1', name: 'reply', input: { text: ' Hello. ' } })).toEqual({
      kind: 'final',
      text: 'Hello.',
    });
  });
});

describe('delegate', () => {
  const helper = {
    description: 'Helps.',
    instructions: 'You help.',
    tools: ['fetch_url', 'delegate', 'reply'],
    budget: { toolCalls: 1 },
  };
  const delegates = new Map([['helper', helper]]);
  const task = { id: 'tool:1.0', name: 'delegate', input: { agent: 'helper', task: 'look it up' } };

  async function open(runSub: (task: SubTask) => Promise<string>) {
    const bare = await run.attempt([]);
    const tool = createDelegate({ delegates, budget: bare.budget.run, runSub }) as Tool;
    return run.attempt([tool]);
  }

  test('runs a sub-agent with its own instructions, a part of the budget, and neither delegate nor reply', async () => {
    const seen: SubTask[] = [];
    const { toolbox } = await open(async (one) => {
      seen.push(one);
      return `found, with ${SECRET}`;
    });
    const result = await toolbox.call(task);
    expect(result).toMatchObject({ kind: 'result', value: expect.stringMatching(/^found, with \[secret:/) });
    expect(seen[0]).toMatchObject({
      agent: 'helper',
      instructions: 'You help.',
      text: 'look it up',
      stepPrefix: 'tool:1.0/',
    });
    expect([...(seen[0]?.allowed ?? [])]).toEqual(['fetch_url']);
    const unknown = { ...task, id: 'tool:1.1', input: { agent: 'root', task: 'x' } };
    expect(await toolbox.call(unknown)).toMatchObject({ code: 'bad-arguments' });
  });

  test('that uses up its part ends alone: the run goes on without its answer', async () => {
    const { toolbox, budget } = await open(async ({ budget: share }) => {
      await share.reserve({ toolCalls: 1 });
      await share.reserve({ toolCalls: 1 });
      return 'never';
    });
    expect(await toolbox.call(task)).toMatchObject({
      code: 'refused',
      message: 'the agent used up its part of the budget',
    });
    expect(budget.run.signal.aborted).toBe(false);
  });

  test('that fails for a reason of ours fails the attempt with it', async () => {
    const { toolbox } = await open(async () => {
      throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'away');
    });
    await expect(toolbox.call(task)).rejects.toMatchObject({ code: 'ERR_SOURCE_UNAVAILABLE' });
  });
});
