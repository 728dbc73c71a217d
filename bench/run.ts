import { type Contestant, contestants, type Measurement, measure } from './ingress.ts';
import { ingressTable, senderTable, writeSection } from './report.ts';
import { GRAPH_BATCH, gmailSender, graphSender, measureSender, type SenderResult } from './senders.ts';

// Every contestant in turn, and the other senders after them, the order reversed every second time, so that a drift of the
// machine hits all alike. `npm run bench [rounds]`
const rounds = Number(process.argv[2] ?? 5);
const timing = { warmupMs: 2_000, measureMs: 5_000 };
const names = Object.keys(contestants) as Contestant[];
const measured: Record<Contestant, Measurement[]> = { a: [], b: [], c: [], d: [] };
const senders: Record<'graph' | 'gmail', SenderResult[]> = { graph: [], gmail: [] };

const { keys, ...gmail } = await gmailSender();
const sendersOf = {
  graph: () =>
    measureSender({ role: 'ingress', ...timing, ...graphSender(GRAPH_BATCH), connections: 8, requests: 1_500 }),
  gmail: () => measureSender({ role: 'ingress', ...timing, ...gmail, connections: 50, requests: 150_000 }),
};

const turns: (() => Promise<void>)[] = [
  ...names.map((who) => async () => {
    const one = await measure(who, { ...timing, connections: 50 });
    measured[who].push(one);
    console.log(
      `(${who}) ${Math.round(one.perSecond)}/s p50 ${one.p50.toFixed(1)} p99 ${one.p99.toFixed(1)} ms, ` +
        `cpu ${one.ingressCpu.toFixed(0)} + ${one.redisCpu.toFixed(0)} us, rss ${one.rss.toFixed(0)} MiB, ` +
        `start ${one.startMs.toFixed(0)} ms, failed ${one.failed}`,
    );
  }),
  ...(['graph', 'gmail'] as const).map((sender) => async () => {
    const one = await sendersOf[sender]();
    senders[sender].push(one);
    console.log(
      `${sender} ${Math.round(one.itemsPerSecond)} events/s p99 ${one.p99.toFixed(1)} ms, ` +
        `cpu ${one.cpu.toFixed(0)} us, failed ${one.failed}`,
    );
  }),
];
for (let round = 0; round < rounds; round += 1) {
  console.log(`round ${round + 1} of ${rounds}`);
  for (const turn of round % 2 === 0 ? turns : [...turns].reverse()) await turn();
}
await keys.stop();

const ingress = ingressTable(measured);
const others = senderTable(
  [
    { name: `Graph, deliveries of ${GRAPH_BATCH} notifications`, results: senders.graph },
    { name: 'Gmail, one push each', results: senders.gmail },
  ],
  measured,
);
console.log(`${ingress}\n\n${others}`);
await writeSection('ingress', ingress);
await writeSection('senders', others);
