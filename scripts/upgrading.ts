// Writes docs/upgrading.md from the sections of CHANGELOG.md that say what changes: `npm run docs:upgrading`.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const CHANGELOG = fileURLToPath(new URL('CHANGELOG.md', root));
const FILE = fileURLToPath(new URL('docs/upgrading.md', root));

const HEAD = `# Upgrading

What changes for those who run Sallyport, release by release, the newest first. Read the sections of every release between yours and the one you
install. [operations.md](operations.md#upgrading) says how to upgrade, and the [changelog](../CHANGELOG.md) what is new or repaired.
Written from the changelog by \`npm run docs:upgrading\`.
`;

/** The page for a changelog: of each release the sections whose titles begin with "Changed", in their order. */
export function upgradingPage(changelog: string): string {
  const releases = changelog.split(/^(?=## )/m).slice(1);
  const parts = releases.map((release) => {
    const [title = '', ...sections] = release.split(/^(?=### )/m);
    const changes = sections.filter((section) => section.startsWith('### Changed'));
    const name = title.split('\n')[0]?.trim() ?? '';
    return [name, ...(changes.length === 0 ? ['Nothing to do.'] : changes.map((one) => one.trim()))].join('\n\n');
  });
  // Links of the changelog start at the root.
  const body = parts
    .join('\n\n')
    .replace(/\]\((?!https?:|#)([^)]+)\)/g, (_, target: string) =>
      target.startsWith('docs/') ? `](${target.slice('docs/'.length)})` : `](../${target})`,
    );
  return `${HEAD}\n${body}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(FILE, upgradingPage(await readFile(CHANGELOG, 'utf8')));
}
