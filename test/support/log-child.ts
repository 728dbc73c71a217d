import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createLog } from '../../src/ops/log.ts';
import { createLogScrubber, createVouch } from '../../src/scrub/log-scrub.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';

/** Logs what its argument holds as JSON: `{ isPretty, fields, message, cause }`, the last two as an error, which without a cause is its own. */
const { isPretty, fields, message, cause } = JSON.parse(process.argv[2] ?? '{}');

const scrub = createScrubber({ crypto: nodeCrypto, key: new Uint8Array(32).fill(7) });
const log = createLog({ level: 'info', scrubLine: createLogScrubber(scrub), vouch: createVouch(scrub), isPretty });
const error = new Error(message);
error.cause = cause === undefined ? error : new Error(cause);
log.info(fields, 'first.line');
log.error({ error }, 'second.line');
log.debug({}, 'below.level');
log.flush();
process.exit(0);
