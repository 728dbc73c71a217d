import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../../src/queue/redis/client/url.ts';

describe('a Redis URL', () => {
  it('names one server, with defaults', () => {
    expect(parseRedisUrl('redis://localhost')).toEqual({
      kind: 'single',
      addresses: [{ host: 'localhost', port: 6379 }],
      tls: false,
      db: 0,
    });
  });

  it('carries TLS, user, password and database', () => {
    expect(parseRedisUrl('rediss://us%40er:p%2Fw@redis.example:6380/3')).toEqual({
      kind: 'single',
      addresses: [{ host: 'redis.example', port: 6380 }],
      tls: true,
      username: 'us@er',
      password: 'p/w',
      db: 3,
    });
    expect(parseRedisUrl('redis://:secret@h')).toMatchObject({ password: 'secret' });
    expect(parseRedisUrl('redis://:secret@h')).not.toHaveProperty('username');
  });

  it('reads an IPv6 address', () => {
    expect(parseRedisUrl('redis://[::1]:7000').addresses).toEqual([{ host: '::1', port: 7000 }]);
  });

  it.each(['redis://a:1,redis://b:2', 'redis://a:1, b:2'])('takes the list %s for Redis Cluster', (url) => {
    expect(parseRedisUrl(url)).toMatchObject({
      kind: 'cluster',
      addresses: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    });
  });

  it('takes one seed and a comma for Redis Cluster', () => {
    expect(parseRedisUrl('rediss://config.example:6379,')).toMatchObject({
      kind: 'cluster',
      addresses: [{ host: 'config.example', port: 6379 }],
      tls: true,
    });
  });

  it('asks Sentinels for a master by name', () => {
    expect(parseRedisUrl('redis+sentinel://:pw@a:1,b/mymaster/2')).toEqual({
      kind: 'sentinel',
      addresses: [
        { host: 'a', port: 1 },
        { host: 'b', port: 26379 },
      ],
      tls: false,
      password: 'pw',
      db: 2,
      master: 'mymaster',
    });
  });

  it.each([
    '',
    ',',
    'http://a',
    'redis://',
    'redis://a/x',
    'redis://a:1/2,redis://b:2',
    'redis+sentinel://a:1',
    'redis+sentinel:///m',
    'redis://:50%@a',
  ])('refuses %j without repeating it', (url) => {
    expect(() => parseRedisUrl(url)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
  });

  it('never repeats a password in its errors', () => {
    expect(() => parseRedisUrl('redis://user:hunter2@a:notaport')).toThrow(/^(?!.*hunter2)/s);
  });
});
