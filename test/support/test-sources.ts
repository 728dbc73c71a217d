import { silentLogger } from '../../src/core/logger.ts';
import { createSourceLimiter, type SourceLimiter } from '../../src/server/limits/sources.ts';

/** A limiter of one process alone, in which no source stands for several. */
export const testSources = (perMinute: number): SourceLimiter =>
  createSourceLimiter({
    perMinute,
    limits: { addUp: async (counts) => [...counts.values()] },
    digest: (label, parts) => [label, ...parts].join(' '),
    isShared: () => false,
    clock: Date.now,
    logger: silentLogger,
  });
