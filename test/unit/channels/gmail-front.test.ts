import { gmailDoor } from '../../contracts/gmail-door.contract.ts';
import { openNodeFront } from '../../support/fronts.ts';

gmailDoor('Node', openNodeFront);
