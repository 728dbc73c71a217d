import { describe, expect, it } from 'vitest';
import { parseResolveOptions, verdictOfLine, verdictOfUrl } from '../../../src/cli/commands/check-url.ts';
import { failed } from '../../../src/net/guard/reasons.ts';
import { fixedNames } from './support/web.ts';

const PUBLIC = '93.184.216.34';
const nameServer = fixedNames({ 'real.example': [PUBLIC], 'home.example': ['10.0.0.1'] });
const verdict = async (line: unknown): Promise<string> => {
  const { verdict, reason } = await verdictOfLine(JSON.stringify(line), nameServer);
  return `${verdict} ${reason}`;
};

describe('verdictOfLine', () => {
  it('writes the URL back as it came, the verdict and one word', async () => {
    const line = JSON.stringify({
      url: 'HTTP://LocalHost:22/#x',
      expected: 'blocked',
      note: 'other fields are ignored',
    });
    expect(await verdictOfLine(line, nameServer)).toEqual({
      url: 'HTTP://LocalHost:22/#x',
      verdict: 'blocked',
      reason: 'name-local',
    });
  });

  it('takes the answers of the line, and no others, when it brings some', async () => {
    const url = 'http://real.example/';
    expect(await verdict({ url, resolve: { 'real.example': ['10.0.0.1'] } })).toBe('blocked address-private');
    expect(await verdict({ url, resolve: { 'Real.Example.': [PUBLIC] } })).toBe('allowed public');
    expect(await verdict({ url, resolve: {} })).toBe('blocked dns-empty');
    const hostile = '{"url":"http://real.example/","resolve":{"":[],"%":["x"],"__proto__":["1.1.1.1"]}}';
    expect(await verdictOfLine(hostile, nameServer)).toMatchObject({ reason: 'dns-empty' });
  });

  it('asks the name servers when it brings none', async () => {
    expect(await verdict({ url: 'http://real.example/' })).toBe('allowed public');
    expect(await verdict({ url: 'http://home.example/', resolve: null, redirect: null })).toBe(
      'blocked address-private',
    );
    const down = () => Promise.reject(failed('dns-failed'));
    expect(await verdictOfLine('{"url":"http://real.example/"}', down)).toMatchObject({
      verdict: 'blocked',
      reason: 'dns-failed',
    });
  });

  it('judges every set of a sequence, and says which kind of refusal it is', async () => {
    const of = (sequence: string[][]) =>
      verdict({ url: 'http://flip.example/', resolve: { 'flip.example': { sequence } } });
    expect(await of([[PUBLIC], ['127.0.0.1']])).toBe('blocked dns-rebinding');
    expect(await of([[PUBLIC], ['1.1.1.1'], []])).toBe('blocked dns-rebinding');
    expect(await of([['127.0.0.1'], [PUBLIC]])).toBe('blocked address-loopback');
    expect(await of([[], [PUBLIC]])).toBe('blocked dns-empty');
    expect(await of([])).toBe('blocked dns-empty');
    expect(await of([[PUBLIC], ['1.1.1.1']])).toBe('allowed public');
  });

  it('follows a redirect with any 3xx status that names a place, and chains of them', async () => {
    const redirected = (redirect: unknown) => verdict({ url: 'http://real.example/', redirect });
    expect(await redirected({ status: 300, location: 'http://10.0.0.1/' })).toBe('blocked redirect-address-private');
    expect(await redirected({ status: 308, location: '//localhost' })).toBe('blocked redirect-name-local');
    expect(await redirected({ location: 'http://home.example/' })).toBe('blocked redirect-address-private');
    expect(await redirected({ status: 200, location: 'http://10.0.0.1/' })).toBe('allowed public');
    expect(await redirected({ status: 302 })).toBe('allowed public');
    const step = { status: 302, location: '/on' };
    expect(await redirected([step, step, { status: 301, location: 'http://10.0.0.1/' }])).toBe(
      'blocked redirect-address-private',
    );
    expect(await redirected([step, step, step, step, step])).toBe('allowed public');
    expect(await redirected([step, step, step, step, step, step])).toBe('blocked redirect-too-many');
  });

  it.each(['', 'http://real.example/', '[]', 'null', '{"url":5}', '{"url":"http://real.example/","resolve":"x"}', '{'])(
    'blocks the line %j, which it cannot read',
    async (line) => {
      expect(await verdictOfLine(line, nameServer)).toEqual({ url: '', verdict: 'blocked', reason: 'line-malformed' });
    },
  );
});

describe('verdictOfUrl', () => {
  it('prefers the given answers and asks the name servers for the rest', async () => {
    const overrides = parseResolveOptions([
      'Real.example=10.0.0.1',
      'new.example=1.1.1.1,2606:4700::1',
      'new.example=::1',
    ]);
    expect(overrides?.get('new.example')).toEqual(['1.1.1.1', '2606:4700::1', '::1']);
    const reasonOf = async (url: string) => (await verdictOfUrl(url, overrides ?? new Map(), nameServer)).reason;
    expect(await reasonOf('http://real.example/')).toBe('address-private');
    expect(await reasonOf('http://new.example/')).toBe('address-loopback');
    expect(await reasonOf('http://home.example/')).toBe('address-private');
    expect((await verdictOfUrl('http://real.example/', new Map(), nameServer)).verdict).toBe('allowed');
  });

  it('reads nothing out of an option without name or addresses', () => {
    for (const value of ['', 'host', 'host=', '=1.1.1.1']) expect(parseResolveOptions([value])).toBeNull();
  });
});
