import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { StoreLimits } from '../store.ts';
import type { Connection, Counter } from './file/connection.ts';
import type { Writer } from './file/writer.ts';
import type { AuditTable } from './tables/audit-table.ts';
import type { ConversationTable } from './tables/conversation-table.ts';
import type { EventTable } from './tables/event-table.ts';

/** What the rooms of this driver are made of. */
export interface StoreParts {
  readonly connection: Connection;
  readonly writer: Writer;
  readonly counter: Counter;
  readonly events: EventTable;
  readonly conversations: ConversationTable;
  readonly audit: AuditTable;
  /** A conversation became due. */
  readonly due: Signal<void>;
  /** The event of this id may have ended. */
  readonly ended: Signal<string>;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Tells listeners of this process that something happened; other processes find out by polling. */
export interface Signal<T> {
  emit(value: T): void;
  /** Returns the function that stops listening. */
  listen(listener: (value: T) => void): () => void;
}

export function createSignal<T>(): Signal<T> {
  const listeners = new Set<(value: T) => void>();
  return {
    emit(value) {
      for (const listener of [...listeners]) listener(value);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
