import { type Measurement, measure } from './ingress.ts';
import { median } from './median.ts';
import { markdown } from './report.ts';

// Contestant (c) alone, of this worktree and of another one, in turn; the order is reversed every second time. Both have to be
// built (`npm run build`). `npx tsx bench/compare.ts <other worktree> [alternations]`
const [other, count = '5'] = process.argv.slice(2);
if (other === undefined) throw new Error('usage: bench/compare.ts <other worktree> [alternations]');
const timing = { warmupMs: 2_000, measureMs: 4_000, connections: 50 };
const measured = new Map<string, Measurement[]>([
  [other, []],
  ['.', []],
]);
for (let n = 0; n < Number(count); n += 1) {
  const roots = [...measured.keys()];
  for (const root of n % 2 === 0 ? roots : roots.reverse()) {
    const one = await measure('c', timing, root);
    measured.get(root)?.push(one);
    console.log(
      `${root}: ${Math.round(one.perSecond)}/s, ${one.ingressCpu.toFixed(0)} µs an event, failed ${one.failed}`,
    );
  }
}

const spread = (numbers: readonly number[], digits = 0): string =>
  `${median(numbers).toFixed(digits)} (${Math.min(...numbers).toFixed(digits)}–${Math.max(...numbers).toFixed(digits)})`;
const rows = [...measured].map(([root, all]) => [
  root,
  spread(all.map(({ perSecond }) => perSecond)),
  spread(all.map(({ ingressCpu }) => ingressCpu)),
  spread(all.map(({ p99 }) => p99)),
]);
console.log(markdown(['worktree', 'requests/s, median (min–max)', 'CPU µs/event', 'p99 ms'], rows));
const before = measured.get(other) ?? [];
const ratios = (measured.get('.') ?? []).map((one, at) => one.ingressCpu / (before[at]?.ingressCpu ?? Number.NaN));
console.log(`CPU of this worktree ÷ the other one, within an alternation: ${spread(ratios, 2)}`);
