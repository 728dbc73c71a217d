import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { bundle } from '../test/support/bundle.ts';
import { markdown, writeSection } from './report.ts';
import type { ScrubFigures } from './scrub-measure.ts';

// What scrubbing costs: on chat that holds nothing, on mixtures with secrets, on an event's tree, and on texts made to be
// slow, up to one mebibyte. With a labelled corpus as argument also what it finds. `npx tsx bench/scrub.ts [corpus]`
// In a process without tsx, which takes apart what it loads and makes it half as fast.
const program = await bundle('bench/scrub-measure.ts');
const written = execFileSync(process.execPath, [program, ...process.argv.slice(2)], { encoding: 'utf8' });
await rm(program);
const { speed, slow, corpus } = JSON.parse(written) as ScrubFigures;

const head = ['what', 'bytes', 'processor µs', 'clock µs', 'MB/s of processor time'];
const tables = `${markdown(head, speed)}\n\n${markdown(head, slow)}`;
console.log(tables);
await writeSection('scrub', tables);
if (corpus.length > 0) console.log(markdown(['tier', 'hidden or changed', 'share'], corpus));
