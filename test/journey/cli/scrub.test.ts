import { tmpdir } from 'node:os';
import { beforeAll, expect, test } from 'vitest';
import { sampleSecrets } from '../../fixtures/secrets.ts';
import { ensureBuilt } from '../../support/built.ts';
import { seeded } from '../../support/campaign.ts';
import { sallyport, sallyportProcess } from '../../support/command.ts';

const folder = tmpdir();

beforeAll(ensureBuilt);

const [secret] = sampleSecrets(seeded(7));
const text = `line one\n${secret?.text}\nline three`;

test('scrub writes the cleaned text, names what it found by line, and exits 1', async () => {
  const ended = await sallyport(['scrub', '-'], { folder, input: text });
  expect(ended.code).toBe(1);
  expect(ended.out).toMatch(/^line one\nuse \[secret:[a-z-]+#[0-9a-f]+\] please\nline three$/);
  expect(ended.err).toMatch(/^line 2: [a-z-]+ \(1\)$/m);
  expect(ended.out + ended.err).not.toContain(secret?.core);
});

test('scrub leaves clean text as it is, to the byte, and exits 0', async () => {
  const clean = 'nothing here\r\n\tbut words — naïve ones\n\n';
  expect(await sallyportProcess(['scrub'], { folder, input: clean })).toMatchObject({ code: 0, out: clean, err: '' });
});

test('scrub --json prints findings and text for programs', async () => {
  const ended = await sallyport(['scrub', '--json'], { folder, input: text });
  expect(ended.code).toBe(1);
  expect(JSON.parse(ended.out)).toMatchObject({ findings: [{ line: 2, count: 1 }] });
  expect(ended.out).not.toContain(secret?.core);
});

test('scrub of a file that cannot be read is bad usage', async () => {
  expect(await sallyport(['scrub', 'no-such-file'], { folder })).toMatchObject({
    code: 2,
    err: 'no-such-file: there is no such file (ENOENT)\n',
  });
});
