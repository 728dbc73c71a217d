import { rm } from 'node:fs/promises';
import { bundle } from '../test/support/bundle.ts';
import { markdown, writeSection } from './report.ts';
import type * as Measure from './scrub-measure.ts';

// What scrubbing costs: on chat that holds nothing, on mixtures with secrets, on an event's tree, and on texts made to be
// slow, up to one mebibyte. With a labelled corpus as argument also what it finds. `npx tsx bench/scrub.ts [corpus]`
const program = await bundle('bench/scrub-measure.ts');
const { measureSpeed, measureSlow, measureCorpus, SPEED_HEAD, CORPUS_HEAD } = (await import(program)) as typeof Measure;
await rm(program);

const speed = `${markdown(SPEED_HEAD, measureSpeed())}\n\n${markdown(SPEED_HEAD, measureSlow())}`;
console.log(speed);
await writeSection('scrub', speed);
const [corpus] = process.argv.slice(2);
if (corpus !== undefined) console.log(markdown(CORPUS_HEAD, measureCorpus(corpus)));
