import { describe, expect, it } from 'vitest';
import { type SlackBody, slackForm, slackInteraction, slackJson } from '../../../src/testing/slack/signer.ts';
import {
  badChallenges,
  badRoutingIds,
  FORM,
  json,
  message,
  noSslChecks,
  readable,
  sslChecks,
  unparsable,
  unprocessable,
} from '../../fixtures/slack-bodies.ts';
import { codeThrownBy, delivery, outcomeOf, receive, signed, slackChannel } from './slack-harness.ts';

/** What a correctly signed body comes to: an outcome, or the code it is refused with. */
function fate(body: SlackBody): string {
  let outcome = '';
  const code = codeThrownBy(() => {
    outcome = outcomeOf(receive(body));
  });
  return code === 'none' ? outcome : code;
}

describe('bodies that are not what they should be', () => {
  it.each(unparsable)('%s is unparsable', (_, body) => {
    expect(fate(body)).toBe('ERR_BODY_UNPARSABLE');
  });

  it('a missing content type is unparsable', () => {
    const { headers, ...rest } = signed(json(message()));
    const without = { get: (name: string) => (name === 'content-type' ? null : headers.get(name)) };
    expect(codeThrownBy(() => slackChannel().receive({ ...rest, headers: without }))).toBe('ERR_BODY_UNPARSABLE');
  });

  it.each(unprocessable)('%s is unprocessable', (_, body) => {
    expect(fate(body)).toBe('ignored: unprocessable');
  });

  it.each(readable)('%s is read', (_, body) => {
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
  it.each(badRoutingIds)('that hold %s quarantine the event, without any content', (_, body) => {
    expect(receive(body)).toEqual({ events: [], refused: [{ outcome: 'quarantined', reason: 'bad_routing_id' }] });
  });

  it('that could be secrets are handed on for the scrubber to judge', () => {
    const secretLike = 'xoxb-123456789012-abcdefghijkl';
    const { events } = receive(json(message({ channel: secretLike, user: 'U0ALICE' })));
    expect(events[0]?.routingIds).toEqual([secretLike, 'U0ALICE', 'T0HOME', 'A0OURS']);
  });
});

describe('handshakes', () => {
  const unsigned = (body: string, contentType = FORM) =>
    delivery({ headers: { 'content-type': contentType }, body: Buffer.from(body) });

  it.each(sslChecks)('%s is answered without a signature', (body) => {
    expect(slackChannel().receive(unsigned(body))).toEqual({
      events: [],
      refused: [],
      answer: { status: 200, outcome: 'handshake', body: '' },
    });
  });

  it('whatever rides on an ssl_check is thrown away', () => {
    const payload = JSON.stringify({ type: 'block_suggestion' });
    const body = new URLSearchParams({ ssl_check: '1', command: '/ask', payload }).toString();
    expect(slackChannel().receive(unsigned(body))).toMatchObject({ events: [], answer: { body: '' } });
  });

  it.each(noSslChecks)('%.20s needs a signature', (body) => {
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

  it.each(badChallenges.map((one) => [one]))('the challenge %j is not echoed', (challenge) => {
    expect(fate(slackJson({ type: 'url_verification', challenge }))).toBe('ERR_BODY_UNPARSABLE');
  });

  it.each(['block_suggestion', 'dialog_suggestion'])('%s is answered with no options', (type) => {
    expect(receive(slackInteraction({ type })).answer).toMatchObject({ status: 200, body: '{"options":[]}' });
  });
});
