import { RateLimiterMemory } from 'rate-limiter-flexible';

/** Counts what a source got wrong. Each call counts once. */
export interface SourceLimiter {
  isOver(source: string): Promise<boolean>;
}

/**
 * `perMinute` failures of one source per minute, counted in this process: it bounds log lines and digests, it is no
 * proof, so processes need not agree. IPv6 sources count per /64, which is what one subscriber is given (RFC 6177).
 */
export function createSourceLimiter(perMinute: number): SourceLimiter {
  const limiter = new RateLimiterMemory({ points: perMinute, duration: 60 });
  return {
    isOver: (source) =>
      limiter.consume(subscriberOf(source)).then(
        () => false,
        () => true,
      ),
  };
}

function subscriberOf(address: string): string {
  // A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d; each of them is a source of its own.
  const source = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!source.includes(':')) return source;
  const [head = '', tail] = source.split('::');
  const groups = head.split(':');
  // '::' stands for as many zero groups as are missing; only the first four groups matter here.
  while (tail !== undefined && groups.length < 4) groups.push('0');
  return groups.slice(0, 4).join(':');
}
