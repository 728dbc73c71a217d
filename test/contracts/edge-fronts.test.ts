import { edgeFronts } from '../support/fronts.ts';
import { gmailDoor } from './gmail-door.contract.ts';
import { graphForgeries } from './graph-forgeries.contract.ts';
import { graphStatus } from './graph-status.contract.ts';
import { graphVectors } from './graph-vectors.contract.ts';
import { slackStatus } from './slack-status.contract.ts';
import { slackVectors } from './slack-vectors.contract.ts';

/** The suites of the front door on the Workers runtime; on Node they run beside the cases that only Node has. */

const openEdgeFront = edgeFronts();

slackStatus('the edge', openEdgeFront);
slackVectors('the edge', openEdgeFront);
graphStatus('the edge', openEdgeFront);
graphForgeries('the edge', openEdgeFront);
graphVectors('the edge', openEdgeFront);
gmailDoor('the edge', openEdgeFront);
