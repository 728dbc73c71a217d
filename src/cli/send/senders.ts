import { gmailSender } from './gmail.ts';
import { graphSender } from './graph.ts';
import type { Sender } from './sender.ts';
import { slackSender } from './slack.ts';
import { teamsSender } from './teams.ts';
import { teamsOutgoingSender } from './teams-outgoing.ts';

/** Every channel `send` speaks. */
export const senders: readonly Sender[] = [slackSender, graphSender, gmailSender, teamsSender, teamsOutgoingSender];
