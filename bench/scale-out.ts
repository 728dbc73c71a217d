import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Fault, play, type Result } from '../test/support/scale-out/play.ts';
import { startWorld, type Topology } from '../test/support/scale-out/world.ts';
import { markdown } from './report.ts';

// Four ingresses and four workers on Sentinels or a Cluster under load, and a fault: one history for each seed.
const USAGE = `usage: npm run test:campaigns -- --on sentinel|cluster --fault kill|freeze|roll
                              [--seeds N] [--from N] [--rate N] [--seconds N] [--logs DIR]

Exit codes: 0 every history held; 1 one did not, or an aim was missed; 3 some were void and do not count; 64 usage.
`;

/** Processes of either role. */
const EACH = 4;
/** Seconds after a fault within which deliveries are accepted again, and within which events run again. */
const AIM = { accepting: 10, running: 15 };

const { values } = parseArgs({
  options: {
    on: { type: 'string' },
    fault: { type: 'string' },
    seeds: { type: 'string', default: '10' },
    from: { type: 'string', default: '1' },
    rate: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '18' },
    logs: { type: 'string' },
  },
});
const topology = (['sentinel', 'cluster'] as const).find((one) => one === values.on);
const fault = (['kill', 'freeze', 'roll'] as const).find((one) => one === values.fault);
if (topology === undefined || fault === undefined) {
  process.stderr.write(USAGE);
  process.exit(64);
}

async function history(on: Topology, kind: Fault, seed: number): Promise<Result> {
  const logs = values.logs === undefined ? undefined : resolve(values.logs, `${on}-${kind}-${seed}`);
  const world = await startWorld(on, { each: EACH, logs });
  try {
    return await play(world, {
      fault: kind,
      seed,
      rate: Number(values.rate),
      seconds: Number(values.seconds),
    });
  } finally {
    await world.stop();
  }
}

/** A rolling restart has no failover, so what it refuses is only counted. */
const isMissed = ({ acceptingS, runningS }: Result): boolean =>
  fault !== 'roll' && (acceptingS > AIM.accepting || runningS > AIM.running);

const rows: string[][] = [];
let failed = 0;
let voids = 0;
const first = Number(values.from);
for (let seed = first; seed < first + Number(values.seeds); seed += 1) {
  const result = await history(topology, fault, seed);
  console.log(JSON.stringify({ seed, ...result }));
  if (result.void !== null) voids += 1;
  else if (result.violations.length > 0 || isMissed(result)) failed += 1;
  const { acknowledged, replied, lost, duplicates, pending, failoverS, acceptingS, runningS, slowestS, answers } =
    result;
  const verdict =
    result.void === null ? (result.violations.length > 0 ? 'failed' : isMissed(result) ? 'aim missed' : 'ok') : 'void';
  rows.push(
    [seed, acknowledged, replied, lost, duplicates, pending, failoverS, acceptingS, runningS, slowestS]
      .map(String)
      .concat(`${answers['503'] ?? 0}, ${answers.UND_ERR_HEADERS_TIMEOUT ?? 0}`, verdict),
  );
}
console.log(
  markdown(
    [
      ...['seed', 'acknowledged', 'replied', 'lost', 'twice', 'pending at the fault', 'failover s'],
      ...['accepting s', 'running s', 'slowest reply s', '503s, time-outs', 'verdict'],
    ],
    rows,
  ),
);
if (failed > 0) process.exitCode = 1;
else if (voids > 0) process.exitCode = 3;
