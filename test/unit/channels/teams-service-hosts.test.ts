import { describe, expect, it } from 'vitest';
import { createServiceHosts, defaultServiceHosts } from '../../../src/channels/teams/reply/service-hosts.ts';
import { SallyportError } from '../../../src/core/errors.ts';

describe('the hosts our token may go to', () => {
  const isAllowed = createServiceHosts(defaultServiceHosts);

  it.each([
    'https://smba.trafficmanager.net/teams/',
    'https://smba.trafficmanager.net/emea/a1b2/',
    'https://smba.trafficmanager.net',
    'https://smba.infra.gcc.teams.microsoft.com/gcc/',
    'https://europe.webchat.botframework.com/',
    'https://directline.botframework.com/',
  ])('%s is one', (url) => {
    expect(isAllowed(url)).toBe(true);
  });

  it.each([
    '',
    'smba.trafficmanager.net',
    'http://smba.trafficmanager.net/teams/',
    'ftp://smba.trafficmanager.net/',
    'https://smba.trafficmanager.net:8443/teams/',
    'https://user@smba.trafficmanager.net/',
    'https://smba.trafficmanager.net@attacker.example/',
    'https://smba.trafficmanager.net.attacker.example/',
    'https://attacker.example/smba.trafficmanager.net/',
    'https://attacker.example#smba.trafficmanager.net',
    'https://attacker.example\\@smba.trafficmanager.net/',
    'https://smba.trafficmanager.net\\@attacker.example/',
    'https://smba.trafficmanager.net/?x=1',
    'https://smba.trafficmanager.net/#x',
    'https://smba.trafficmanager.net/teams/../v3/',
    'https://SMBA.trafficmanager.net/',
    'https://smba.trafficmanager.net./',
    ' https://smba.trafficmanager.net/',
    'https://smba.traffic\tmanager.net/',
    'https://xsmba.trafficmanager.net/',
    'https://attacker.smba.trafficmanager.net/',
    'https://botframework.com/',
    'https://xbotframework.com/',
    'https://x.botframework.com.attacker.example/',
    'https://127.0.0.1/',
    'http://127.0.0.1/',
    'http://localhost:3978/',
    'http://169.254.169.254/',
  ])('%j is none', (url) => {
    expect(isAllowed(url)).toBe(false);
  });

  it('a host with a port means that port', () => {
    const local = createServiceHosts(['127.0.0.1:3978', 'connector.example:8443', 'gate.example:443']);
    const allowed = ['http://127.0.0.1:3978/', 'https://connector.example:8443/x', 'https://gate.example/'];
    expect(allowed.map(local)).toEqual([true, true, true]);
    const refused = ['http://127.0.0.1:3979/', 'https://connector.example/', 'http://connector.example:8443/'];
    expect(refused.map(local)).toEqual([false, false, false]);
  });

  it('a loopback host without one means all of its ports', () => {
    const local = createServiceHosts(['127.0.0.1', 'localhost', '[::1]']);
    const urls = ['http://127.0.0.1:1/', 'https://127.0.0.1/', 'http://localhost:3978/teams', 'http://[::1]:1/'];
    expect(urls.map(local)).toEqual([true, true, true, true]);
    expect(local('http://127.0.0.2:1/')).toBe(false);
  });

  it.each(['', '*', '*.', '*.com', 'https://host', 'host/path', 'host:', 'a b', '*.*.com', 'HOST', 'host:port'])(
    'the entry %j is refused',
    (entry) => {
      expect(() => createServiceHosts([entry])).toThrow(SallyportError);
    },
  );
});
