import { describe, expect, it } from 'vitest';
import { allowEntry, checkUrl } from '../../../src/net/guard/check-url.ts';

const strangers = { ports: [80, 443], allow: [] };

const reasonOf = (url: string): string => {
  const checked = checkUrl(url, strangers);
  return checked.ok ? `ok ${checked.candidate.host}:${checked.candidate.port}` : checked.reason;
};

describe('checkUrl', () => {
  it.each([
    ['https://example.com/', 'example.com:443'],
    ['HTTP://EXAMPLE.com', 'example.com:80'],
    ['http://example.com:443/', 'example.com:443'],
    ['https://example.com:/path', 'example.com:443'],
    ['https://example.com./', 'example.com:443'],
    ['https://example.com?to=http://127.0.0.1', 'example.com:443'],
    ['https://example.com/@user', 'example.com:443'],
    ['https://example.com/?mail=a@b.c', 'example.com:443'],
    ['https://example.com/#@10.0.0.1', 'example.com:443'],
    ['https://bücher.example/', 'xn--bcher-kva.example:443'],
    ['https://BÜCHER.example/', 'xn--bcher-kva.example:443'],
    ['https://bu\u0308cher.example/', 'xn--bcher-kva.example:443'],
    ['https://faß.example/', 'xn--fa-hia.example:443'],
    ['https://例え.テスト/', 'xn--r8jz45g.xn--zckzah:443'],
    ['https://under_score.example.com/', 'under_score.example.com:443'],
    ['https://10.example.com/', '10.example.com:443'],
    ['https://127.0.0.1.example.com/', '127.0.0.1.example.com:443'],
    ['https://localhost.example.com/', 'localhost.example.com:443'],
    ['https://internal.example.com/', 'internal.example.com:443'],
    ['https://not.a-local/', 'not.a-local:443'],
    ['https://1.1.1.1/', '1.1.1.1:443'],
    ['https://[2606:4700:4700:0:0:0:0:1111]/', '2606:4700:4700::1111:443'],
  ])('lets %s through', (url, at) => {
    expect(reasonOf(url)).toBe(`ok ${at}`);
  });

  it.each([
    ['', 'url-malformed'],
    ['example.com', 'url-malformed'],
    ['//example.com/', 'url-malformed'],
    ['/path', 'url-malformed'],
    ['http:example.com', 'url-malformed'],
    ['http:/example.com', 'url-malformed'],
    ['http:///example.com', 'url-malformed'],
    ['http://', 'url-malformed'],
    ['http://:80/', 'url-malformed'],
    ['http://?x', 'url-malformed'],
    ['https://example.com\\@127.0.0.1/', 'url-malformed'],
    ['https:\\\\example.com', 'url-malformed'],
    [' https://example.com', 'url-malformed'],
    ['https://example.com\n', 'url-malformed'],
    ['ht\ttps://example.com', 'url-malformed'],
    ['https://exam\u0000ple.com', 'url-malformed'],
    ['https://example.com/a b', 'url-malformed'],
    ['https://example.com?@127.0.0.1/', 'url-malformed'],
    ['https://example.com#@127.0.0.1/', 'url-malformed'],
    ['https://example.com:99999/', 'url-malformed'],
    ['https://example.com:80:443/', 'url-malformed'],
    ['https://[fe80::1%25eth0]/', 'url-malformed'],
    ['https://[::1/', 'url-malformed'],
    ['https://999.1.1.1/', 'url-malformed'],
    [`https://example.com/${'a'.repeat(8_192)}`, 'url-malformed'],
    ['ftp://example.com/', 'scheme-not-allowed'],
    ['file:///etc/passwd', 'scheme-not-allowed'],
    ['data:text/plain,x', 'scheme-not-allowed'],
    ['localhost:80', 'scheme-not-allowed'],
    ['https://user@example.com/', 'credentials-in-url'],
    ['https://user:pass@example.com/', 'credentials-in-url'],
    ['https://@example.com/', 'credentials-in-url'],
    ['https://:@example.com/', 'credentials-in-url'],
    ['https://user%40example.com@10.0.0.1/', 'credentials-in-url'],
    ['https://ex%61mple.com/', 'host-not-canonical'],
    ['https://ⓔⓧⓐⓜⓟⓛⓔ.ⓒⓞⓜ/', 'host-not-canonical'],
    ['https://exa\u00admple.com/', 'host-not-canonical'],
    ['https://example\u3002com/', 'host-not-canonical'],
    ['https://example.com../', 'host-not-canonical'],
    ['https://evil$example.com/', 'host-not-canonical'],
    [`https://${'a.'.repeat(127)}example/`, 'host-not-canonical'],
    ['https://134744072/', 'host-not-canonical'],
    ['https://0x08080808/', 'host-not-canonical'],
    ['https://010.8.8.8/', 'host-not-canonical'],
    ['https://8.8.8.8./', 'host-not-canonical'],
    ['https://8.8.2056/', 'host-not-canonical'],
    ['https://example.com:8080/', 'port-not-allowed'],
    ['https://example.com:0/', 'port-not-allowed'],
    ['https://1.1.1.1:22/', 'port-not-allowed'],
    ['http://localhost/', 'name-local'],
    ['http://LOCALHOST.:80/', 'name-local'],
    ['http://a.localhost/', 'name-local'],
    ['http://redis/', 'name-local'],
    ['http://printer.local/', 'name-local'],
    ['http://kubernetes.default.svc/', 'name-local'],
    ['http://metadata.google.internal/', 'name-local'],
    ['http://router.home.arpa/', 'name-local'],
    ['http://hidden.onion/', 'name-local'],
    ['http://metadata.tencentyun.com/', 'name-metadata'],
    ['http://127.0.0.1/', 'address-loopback'],
    ['http://[::1]/', 'address-loopback'],
    ['http://[::ffff:7f00:1]/', 'address-transition'],
  ])('refuses %j as %s', (url, reason) => {
    expect(reasonOf(url)).toBe(reason);
  });

  it('reads a Location against the hop it came from, as strictly as the first URL', () => {
    const base = new URL('https://example.com/a/b');
    const at = (text: string): string => {
      const checked = checkUrl(text, strangers, base);
      return checked.ok ? checked.candidate.url.href : checked.reason;
    };
    expect(at('/c?d')).toBe('https://example.com/c?d');
    expect(at('c')).toBe('https://example.com/a/c');
    expect(at('')).toBe('https://example.com/a/b');
    expect(at('?q')).toBe('https://example.com/a/b?q');
    expect(at('//example.org/x')).toBe('https://example.org/x');
    expect(at('//127.0.0.1/')).toBe('address-loopback');
    expect(at('///127.0.0.1/')).toBe('url-malformed');
    expect(at('/\\127.0.0.1/')).toBe('url-malformed');
    expect(at('https:127.0.0.1')).toBe('url-malformed');
    expect(at('//a@example.org/')).toBe('credentials-in-url');
    expect(at('file:///etc/passwd')).toBe('scheme-not-allowed');
  });

  it('opens an allow-listed host for exactly its port, in exactly its spelling', () => {
    const policy = {
      ports: [80, 443],
      allow: [
        { host: '127.0.0.1', port: 8080 },
        { host: 'llm', port: 11434 },
      ],
    };
    const isOk = (url: string): boolean => checkUrl(url, policy).ok;
    expect(isOk('http://127.0.0.1:8080/v1')).toBe(true);
    expect(isOk('http://llm:11434/v1')).toBe(true);
    expect(isOk('http://LLM.:11434/v1')).toBe(true);
    expect(isOk('http://127.0.0.1:8081/')).toBe(false);
    expect(isOk('http://127.0.0.1/')).toBe(false);
    expect(isOk('http://127.0.0.2:8080/')).toBe(false);
    expect(isOk('http://127.1:8080/')).toBe(false);
    expect(isOk('http://localhost:8080/')).toBe(false);
    expect(isOk('http://x.llm:11434/')).toBe(false);
    expect(isOk('http://user@llm:11434/')).toBe(false);
    expect(isOk('ftp://llm:11434/')).toBe(false);
    expect(isOk('https://example.com:11434/')).toBe(false);
  });
});

describe('allowEntry', () => {
  it('is host and port of a configured URL, in the spelling the guard compares', () => {
    expect(allowEntry('http://Localhost:11434/v1')).toEqual({ host: 'localhost', port: 11434 });
    expect(allowEntry('https://bücher.example/hook')).toEqual({ host: 'xn--bcher-kva.example', port: 443 });
    expect(allowEntry('http://[::1]:9000')).toEqual({ host: '::1', port: 9000 });
  });

  it('is null for what no client would fetch', () => {
    expect(allowEntry('redis://localhost:6379')).toBeNull();
    expect(allowEntry('http://user:pass@localhost/')).toBeNull();
    expect(allowEntry('http://127.1:80/')).toBeNull();
  });
});
