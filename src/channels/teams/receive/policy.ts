/** What an agent may be asked about, before anything is claimed. */
export interface TeamsCandidate {
  /** The activity's type: `message`, `invoke`, `messageReaction`, … */
  readonly activityType: string;
  /** The message names our bot. */
  readonly mentioned: boolean;
  /** It was said in a personal chat with our bot. */
  readonly direct: boolean;
}

/** Whether an agent answers this. False leaves no trace but a count. */
export type TeamsMatch = (candidate: TeamsCandidate) => boolean;

export interface TeamsMatchOptions {
  /** Of messages, answer only those that name the bot and those of personal chats. */
  readonly mentionsOnly?: boolean;
  /** Further activity types to run, e.g. `messageReaction`. */
  readonly activityTypes?: readonly string[];
}

/** The default policy: agents get what people say and press; edits, reactions and membership only when listed. */
export function teamsMatchPolicy({ mentionsOnly = false, activityTypes = [] }: TeamsMatchOptions = {}): TeamsMatch {
  const listed: ReadonlySet<string> = new Set(activityTypes);
  return ({ activityType, mentioned, direct }) => {
    if (activityType === 'message') return mentioned || direct || !mentionsOnly;
    return activityType === 'invoke' || listed.has(activityType);
  };
}
