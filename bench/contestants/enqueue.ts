import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';

/** One BullMQ add with deduplication by event id, the way a careful hand-made receiver does it. */
export async function createEnqueue(redisUrl: string): Promise<(body: Buffer) => Promise<void>> {
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: 1, enableOfflineQueue: false, lazyConnect: true });
  await connection.connect();
  const queue = new Queue('events', { connection, prefix: '{bench}', skipWaitingForReady: true });
  return async (body) => {
    const event = JSON.parse(body.toString('utf8')) as { event_id: string };
    await queue.add('event', event, {
      jobId: randomUUID(),
      deduplication: { id: event.event_id, ttl: 72 * 3_600_000 },
      removeOnComplete: true,
    });
  };
}
