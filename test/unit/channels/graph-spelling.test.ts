import { createPrivateKey } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createContentOpener } from '../../../src/channels/graph/read/decrypt.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { htmlToText } from '../../../src/core/text/html.ts';
import { encryptGraphContent, graphDelivery, graphItem } from '../../../src/testing/graph/signer.ts';
import { CLIENT_STATE, certificate, type GraphGate, openGraphGate } from '../../support/graph-gate.ts';

/** The same thing, written in the ways Graph, administrators and people write it. */

let gate: GraphGate | undefined;
afterEach(async () => {
  await gate?.stop();
  gate = undefined;
});

const USER = 'ddfcd489-628b-40d7-b48b-57002df800e5';
const TENANT = '84bd8158-6d4d-4958-8b9f-9d6445542f95';
const CHANNEL = '19:0a1b@thread.tacv2';

/** The event ids that several paths come to, in order. */
async function idsOf(paths: readonly string[]): Promise<(string | null)[]> {
  gate = await openGraphGate();
  const ids: (string | null)[] = [];
  for (const resource of paths) {
    const item = graphItem({ tenantId: gate.graph.tenantId, clientState: CLIENT_STATE, resource });
    const response = await gate.post('', graphDelivery([item]));
    ids.push(response.headers.get('x-sallyport-event'));
  }
  return ids;
}

describe('a resource path', () => {
  it.each([
    [
      'a mail',
      [
        `Users/${USER}/Messages/AAMkAGUw=`,
        `users/${USER}/messages/AAMkAGUw=`,
        `/users/${USER}@${TENANT}/messages/AAMkAGUw=`,
        `Users('${USER.toUpperCase()}')/Messages('AAMkAGUw=')`,
        `users/${USER}/mailFolders('inbox')/messages('AAMkAGUw=')`,
        `users/${USER}/mailFolders/AQMk/messages/AAMkAGUw%3D`,
      ],
    ],
    [
      'a message of a chat',
      ["chats('19:x@thread.v2')/messages('1')", `users/${USER}/chats/19%3Ax%40thread.v2/messages/1`],
    ],
    [
      'a reply in a channel, which may be shared by teams',
      [
        `teams('t1')/channels('${CHANNEL}')/messages('1')/replies('2')`,
        `Teams/t2/Channels/${CHANNEL}/Messages/1/Replies/2`,
      ],
    ],
  ])('names %s however it is spelled', async (_, paths) => {
    const ids = await idsOf(paths);
    expect(ids[0]).toMatch(/^ev_/);
    expect(new Set(ids).size).toBe(1);
  });

  it('names different messages where ids differ in case alone, in place or in parent', async () => {
    const ids = await idsOf([
      `users/${USER}/messages/AAMkAGUw=`,
      `users/${USER}/messages/AAMkAGUW=`,
      'users/other@example.com/messages/AAMkAGUw=',
      "chats('19:a@thread.v2')/messages('1')",
      "chats('19:b@thread.v2')/messages('1')",
      `teams('t')/channels('${CHANNEL}')/messages('1')`,
      `teams('t')/channels('${CHANNEL}')/messages('2')/replies('1')`,
    ]);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

it('a private key is taken in either form of PEM, with its line ends', async () => {
  const key = createPrivateKey(certificate.privateKey);
  const encrypted = encryptGraphContent({ id: '1' }, certificate.publicKey, certificate.id);
  for (const type of ['pkcs8', 'pkcs1'] as const) {
    const privateKey = key.export({ format: 'pem', type }).toString();
    const opened = await createContentOpener(nodeCrypto, [{ id: certificate.id, privateKey }])(encrypted);
    expect(opened).toEqual({ kind: 'opened', resource: { id: '1' } });
  }
  expect(() => createContentOpener(nodeCrypto, [{ id: 'x', privateKey: certificate.certificate }])).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
  );
});

describe('HTML', () => {
  it.each([
    ['<p>one</p><p>two</p>', 'one\n\ntwo'],
    ['<div>a<br>b</div>', 'a\nb'],
    ['<at id="0">Bot</at>&nbsp;do&#32;it', 'Bot do it'],
    // What is no character is the replacement character (HTML, 13.2.5.80).
    ['fish &amp; chips &lt;3 &hearts; &#x1F600; &#0; &#xD800;', 'fish & chips <3 ♥ 😀 \ufffd \ufffd'],
    ['1 < 2 and 3 > 2', '1 < 2 and 3 > 2'],
    ['<emoji id="smile" alt="🙂"></emoji> <img src="x" alt="a cat">', '🙂 a cat'],
    ['<style>p{}</style><script>if (a<b) {}</script>text<!-- hidden <b> -->', 'text'],
    ['<a title="a > b">link</a>', 'link'],
    ['text <b', 'text'],
    ['<SCRIPT>x</Script >y', 'y'],
    ['<table><tr><td>a</td><td>b</td></tr></table>', 'a b'],
  ])('%s reads %j', (html, text) => {
    expect(htmlToText(html)).toBe(text);
  });

  it('of any kind becomes text without tags, and never longer', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '"',
      "'",
      '&',
      ';',
      '<p>',
      '</p>',
      '<script>',
      '<!--',
      '-->',
      '&lt;',
      'a',
      ' ',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const html = pieces.join('');
        const text = htmlToText(html);
        expect(text.length).toBeLessThanOrEqual(html.length);
        if (!html.includes('&')) expect(text).not.toMatch(/<(p|\/p|script)>/);
      }),
    );
  });
});
