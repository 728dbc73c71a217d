import { teamsBot } from '../../contracts/teams-bot.contract.ts';
import { teamsOutgoing } from '../../contracts/teams-outgoing.contract.ts';
import { openNodeFront } from '../../support/fronts.ts';

teamsBot('Node', openNodeFront);
teamsOutgoing('Node', openNodeFront);
