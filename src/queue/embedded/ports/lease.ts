import type { Lease, NamedLease } from '../../lease.ts';
import type { Turns } from '../run/turns.ts';
import type { StoreParts } from '../store-parts.ts';

export function createLease(parts: StoreParts, turns: Turns): Lease {
  const { writer, conversations, due, ended, limits, clock } = parts;
  return {
    async take(conversation) {
      const taken = await writer.write(() => turns.take(conversation));
      if (taken.kind === 'handed') due.emit();
      return taken;
    },
    extend: (lease) => writer.write(() => conversations.hold(lease, clock() + limits.leaseMs)),
    async finish(lease, outcome, more) {
      const taken = await writer.write(() => turns.finish(lease, outcome, more));
      ended.emit(lease.eventId);
      if (taken.kind === 'handed') due.emit();
      return taken;
    },
    acquire: createAcquire(parts),
  };
}

function createAcquire({ connection, writer, counter, clock }: StoreParts): Lease['acquire'] {
  const holder = connection.query<{ until: number }>('SELECT until FROM named_leases WHERE name = ?');
  const take = connection.query('INSERT OR REPLACE INTO named_leases VALUES (?, ?, ?)');
  const renew = connection.query('UPDATE named_leases SET until = ? WHERE name = ? AND token = ?');
  const release = connection.query('DELETE FROM named_leases WHERE name = ? AND token = ?');

  const held = (name: string, token: number, ttlMs: number): NamedLease => ({
    renew: () => writer.write(() => renew.run(clock() + ttlMs, name, token) > 0),
    release: () => writer.write(() => void release.run(name, token)),
  });
  return (name, ttlMs) =>
    writer.write(() => {
      const now = clock();
      if ((holder.get(name)?.until ?? 0) > now) return null;
      const token = counter();
      take.run(name, token, now + ttlMs);
      return held(name, token, ttlMs);
    });
}
