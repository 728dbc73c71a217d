import { slackVectors } from '../../contracts/slack-vectors.contract.ts';
import { openNodeFront } from '../../support/fronts.ts';

slackVectors('Node', openNodeFront);
