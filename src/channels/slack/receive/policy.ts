/** What an agent may be asked about, before anything is claimed. */
export interface MatchCandidate {
  /** `message`, `command`, `action`, `shortcut`, `view`, or Slack's own event type. */
  readonly kind: string;
  /** The message names our bot. */
  readonly mentioned: boolean;
  /** It was said in a direct message to our bot. */
  readonly direct: boolean;
  /** Slack's `type`, e.g. `app_mention`, `block_actions`, `reaction_added`; `slash_command` for commands. */
  readonly eventType: string;
}

/** Whether an agent answers this. False leaves no trace but a count, so a twin of the event is still free to match. */
export type Match = (candidate: MatchCandidate) => boolean;

export interface MatchOptions {
  /** Of messages, answer only those that name the bot and those sent to it directly. */
  readonly mentionsOnly?: boolean;
  /** Further Events API types to run, e.g. `reaction_added`. */
  readonly eventTypes?: readonly string[];
}

/** What people press or type on purpose. */
const addressed: ReadonlySet<string> = new Set(['command', 'action', 'shortcut', 'view']);

/** The default policy: agents get everything people say and press; other event types only when listed. */
export function matchPolicy({ mentionsOnly = false, eventTypes = [] }: MatchOptions = {}): Match {
  const listed: ReadonlySet<string> = new Set(eventTypes);
  return ({ kind, mentioned, direct, eventType }) => {
    if (kind === 'message') return mentioned || direct || !mentionsOnly;
    return addressed.has(kind) || listed.has(eventType);
  };
}
