import { type Contestant, contestants, type Measurement, measure } from './ingress.ts';
import { ingressTable, writeSection } from './report.ts';

// Every contestant in turn, the order reversed every second time, so that a drift of the machine hits all alike.
const rounds = Number(process.argv[2] ?? 5);
const timing = { warmupMs: 2_000, measureMs: 5_000, connections: 50 };
const names = Object.keys(contestants) as Contestant[];
const measured: Record<Contestant, Measurement[]> = { a: [], b: [], c: [], d: [] };

for (let round = 0; round < rounds; round += 1) {
  for (const who of round % 2 === 0 ? names : [...names].reverse()) {
    const one = await measure(who, timing);
    measured[who].push(one);
    console.log(
      `round ${round + 1} (${who}) ${Math.round(one.perSecond)}/s p50 ${one.p50.toFixed(1)} p99 ${one.p99.toFixed(1)} ms, ` +
        `cpu ${one.ingressCpu.toFixed(0)} + ${one.redisCpu.toFixed(0)} us, rss ${one.rss.toFixed(0)} MiB, ` +
        `start ${one.startMs.toFixed(0)} ms, failed ${one.failed}`,
    );
  }
}
const table = ingressTable(measured);
console.log(table);
await writeSection('ingress', table);
