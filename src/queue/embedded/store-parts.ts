import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { StoreLimits } from '../store.ts';
import type { Connection } from './file/connection.ts';
import type { Counter } from './file/counter.ts';
import type { Writer } from './file/writer.ts';
import type { Signal } from './run/signal.ts';
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
