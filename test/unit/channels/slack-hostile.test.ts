import { describe, expect, it } from 'vitest';
import { type SlackBody, slackForm, slackInteraction, slackJson } from '../../../src/testing/slack/signer.ts';
import { envelope, said } from '../../fixtures/slack-kinds.ts';
import { codeThrownBy, delivery, outcomeOf, receive, signed, slackChannel } from './slack-harness.ts';

const json = (body: string | Uint8Array, contentType = 'application/json'): SlackBody => ({ contentType, body });
const FORM = 'application/x-www-form-urlencoded';

/** What a correctly signed body comes to: an outcome, or the code it is refused with. */
function fate(body: SlackBody): string {
  let outcome = '';
  const code = codeThrownBy(() => {
    outcome = outcomeOf(receive(body));
  });
  return code === 'none' ? outcome : code;
}

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const message = (more: object = {}): string => JSON.stringify(envelope(said(more)));

describe('bodies that are not what they should be', () => {
  it.each([
    ['no body', json('')],
    ['broken JSON', json('{"type":"event_callback"')],
    ['JSON with something behind it', json(`${message()}x`)],
    ['bytes that are not UTF-8', json(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]))],
    ['an overlong UTF-8 sequence', json(Buffer.from([0x22, 0xc0, 0xaf, 0x22]))],
    ['JSON 100,000 levels deep', json(nested(100_000))],
    ['JSON 65 levels deep', json(nested(65))],
    ['deep JSON behind a string full of brackets', json(`["${'['.repeat(9)}\\"",${nested(100)}]`)],
    ['deep JSON behind a backslash in a string', json(`["x\\\\",${nested(100)},"y"]`)],
    ['deep JSON in a form', slackForm({ payload: nested(100_000) })],
    ['broken JSON in a form', slackForm({ payload: '{' })],
    ['an empty payload field', slackForm({ payload: '' })],
    ['JSON called something else', json(message(), 'text/plain')],
    ['a multipart form', json('--x', 'multipart/form-data; boundary=x')],
    ['an empty content type', json(message(), '')],
    ['the content type sent twice', json(message(), 'application/json, application/json')],
  ])('%s is unparsable', (_, body) => {
    expect(fate(body)).toBe('ERR_BODY_UNPARSABLE');
  });

  it('a missing content type is unparsable', () => {
    const { headers, ...rest } = signed(json(message()));
    const without = { get: (name: string) => (name === 'content-type' ? null : headers.get(name)) };
    expect(codeThrownBy(() => slackChannel().receive({ ...rest, headers: without }))).toBe('ERR_BODY_UNPARSABLE');
  });

  it.each([
    ['a list', '[]'],
    ['null', 'null'],
    ['a number', '1e999'],
    ['64 levels', nested(64)],
    ['an event that is a word', '{"type":"event_callback","event":"message"}'],
    ['an event without a type', '{"type":"event_callback","event":{}}'],
    ['authorizations that are a word', JSON.stringify(envelope(said(), { authorizations: 'x' }))],
    ['a text that is a list', message({ text: ['x'] })],
    ['an inner type that is a sentence', JSON.stringify(envelope({ type: 'a b\nc' }))],
  ])('%s is unprocessable', (_, body) => {
    expect(fate(json(body))).toBe('ignored: unprocessable');
  });

  it('a form that is no command is unprocessable', () => {
    expect(fate(slackForm({ hello: 'world' }))).toBe('ignored: unprocessable');
  });

  it('brackets and escaped quotes inside strings are not depth', () => {
    expect(fate(json(message({ text: `${'[{'.repeat(500)} \\" \\\\` })))).toBe('accepted message');
  });

  it.each([
    ['application/json; charset=utf-8', json(message(), 'application/json; charset=utf-8')],
    ['APPLICATION/JSON', json(message(), 'APPLICATION/JSON')],
    [
      'a form with a charset',
      { ...slackInteraction({ type: 'block_suggestion' }), contentType: `${FORM}; charset=utf-8` },
    ],
  ])('%s is read', (_, body) => {
    expect(fate(body)).toMatch(/accepted message|ignored 200/);
  });

  it('a repeated member counts as its last value', () => {
    const twice = message().replace('"text":"hello there"', '"text":"first","text":"last"');
    expect(receive(json(twice)).events[0]?.event.text).toBe('last');
  });

  it.each(['"__proto__"', '"\\u005f\\u005fproto__"', '"__\\u0070roto__"'])('%s never becomes a prototype', (name) => {
    const poison = `${name}:{"subtype":"channel_join","polluted":true}`;
    const [parsed] = receive(json(message().replace('"text":', `${poison},"text":`))).events;
    const copy = carelessCopy(parsed?.event.payload) as { event: { text: string; polluted?: boolean } };
    expect(copy.event.text).toBe('hello there');
    expect(copy.event.polluted).toBeUndefined();
  });

  it('a command with a field called __proto__ is a command', () => {
    const fields = { command: '/ask', user_id: 'U0ALICE', channel_id: 'C0GENERAL', trigger_id: '1.2.3' };
    const body = `${slackForm(fields).body}&__proto__=x&constructor=y`;
    const [parsed] = receive(json(body, FORM)).events;
    expect(Object.getPrototypeOf(parsed?.event.payload)).toBe(Object.prototype);
    expect(Object.hasOwn(parsed?.event.payload as object, '__proto__')).toBe(false);
  });
});

/** A copy by assignment, as careless code makes it. */
function carelessCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(carelessCopy);
  const copy: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) copy[name] = carelessCopy(member);
  return copy;
}

describe('routing ids', () => {
  it.each([
    ['a path', 'C0/../../x'],
    ['a line break', 'C0\nGENERAL'],
    ['a hash tag', '{C0}'],
    ['a space', 'C0 GENERAL'],
    ['another alphabet', 'С0GENERAL'],
    ['65 characters', 'C'.repeat(65)],
  ])('that are %s quarantine the event, without any content', (_, channel) => {
    const received = receive(json(message({ channel })));
    expect(received).toEqual({ events: [], refused: [{ outcome: 'quarantined', reason: 'bad_routing_id' }] });
  });

  it.each([
    ['the author', envelope(said({ user: 'U0 ALICE' }))],
    ['the workspace', envelope(said(), { team_id: 'T0 HOME', authorizations: [] })],
    ['the app', envelope(said(), { api_app_id: 'A0 OURS' })],
  ])('of %s count as well', (_, payload) => {
    expect(fate(slackJson(payload))).toBe('quarantined: bad_routing_id');
  });

  it('that could be secrets are handed on for the scrubber to judge', () => {
    const secretLike = 'xoxb-123456789012-abcdefghijkl';
    const { events } = receive(json(message({ channel: secretLike, user: 'U0ALICE' })));
    expect(events[0]?.routingIds).toEqual([secretLike, 'U0ALICE', 'T0HOME', 'A0OURS']);
  });

  it.each(['1700000000', '1700000000.', '.000100', '1.7e9', '1700000000.0001x', '-1.1', '１.１'])(
    'a ts of %j is unprocessable',
    (ts) => {
      expect(fate(json(message({ ts })))).toBe('ignored: unprocessable');
    },
  );

  it('a crooked thread_ts is unprocessable too', () => {
    expect(fate(json(message({ thread_ts: 'x' })))).toBe('ignored: unprocessable');
  });
});

describe('handshakes', () => {
  const unsigned = (body: string, contentType = FORM) =>
    delivery({ headers: { 'content-type': contentType }, body: Buffer.from(body) });

  it.each(['ssl_check=1', 'ssl_check=1&token=abc', 'token=abc&ssl_check=1'])(
    '%s is answered without a signature',
    (body) => {
      expect(slackChannel().receive(unsigned(body))).toEqual({
        events: [],
        refused: [],
        answer: { status: 200, outcome: 'handshake', body: '' },
      });
    },
  );

  it('whatever rides on an ssl_check is thrown away', () => {
    const payload = JSON.stringify({ type: 'block_suggestion' });
    const body = new URLSearchParams({ ssl_check: '1', command: '/ask', payload }).toString();
    expect(slackChannel().receive(unsigned(body))).toMatchObject({ events: [], answer: { body: '' } });
  });

  it.each([
    'ssl_check=0',
    'ssl_check=11',
    'ssl_check=true',
    'ssl_check=',
    'ssl_check=%201',
    'ssl_check=1&ssl_check=1',
    'SSL_CHECK=1',
    'ssl_check%5B%5D=1',
    `ssl_check=1&padding=${'x'.repeat(5000)}`,
  ])('%.20s needs a signature', (body) => {
    expect(codeThrownBy(() => slackChannel().receive(unsigned(body)))).toBe('ERR_SIGNATURE_MISSING');
  });

  it('an ssl_check that is not a form needs a signature', () => {
    const attempt = () => slackChannel().receive(unsigned('ssl_check=1', 'text/plain'));
    expect(codeThrownBy(attempt)).toBe('ERR_SIGNATURE_MISSING');
  });

  it('url_verification is answered with its challenge as text', () => {
    const received = receive(slackJson({ type: 'url_verification', challenge: '3eZbrw1aBm2rZgRNFdxV' }));
    expect(received.answer).toEqual({
      status: 200,
      outcome: 'handshake',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: '3eZbrw1aBm2rZgRNFdxV',
    });
  });

  it('url_verification needs a signature', () => {
    const body = JSON.stringify({ type: 'url_verification', challenge: 'x' });
    const attempt = () => slackChannel().receive(unsigned(body, 'application/json'));
    expect(codeThrownBy(attempt)).toBe('ERR_SIGNATURE_MISSING');
  });

  it.each([['a\r\nset-cookie: x'], ['\u0000'], ['\u007f'], ['\u2028'], ['x'.repeat(257)], [''], [7], [null], [['a']]])(
    'the challenge %j is not echoed',
    (challenge) => {
      expect(fate(slackJson({ type: 'url_verification', challenge }))).toBe('ERR_BODY_UNPARSABLE');
    },
  );

  it.each(['block_suggestion', 'dialog_suggestion'])('%s is answered with no options', (type) => {
    expect(receive(slackInteraction({ type })).answer).toMatchObject({ status: 200, body: '{"options":[]}' });
  });
});
