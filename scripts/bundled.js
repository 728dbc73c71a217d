// What of other packages is inside dist/, and the licences that it comes with.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

/** The folder of the package that a file belongs to: of the innermost, where one is installed inside another. */
const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;

/** What scripts/edge-plugins.js makes tables of. */
const GENERATED = { 'compact-references:entities': 'node_modules/character-entities' };

/**
 * The packages of which some code is in the outputs, by name and version.
 *
 * @param {readonly import('esbuild').Metafile[]} metafiles
 * @returns {Promise<readonly import('./bundled.js').BundledPackage[]>}
 */
export async function bundledPackages(metafiles) {
  const inputs = metafiles.flatMap(({ outputs }) =>
    Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs)),
  );
  const used = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  const folders = new Set(used.flatMap(([path]) => GENERATED[path] ?? PACKAGE.exec(path)?.[0] ?? []));
  const packages = await Promise.all(
    [...folders].map(async (folder) => {
      const { name, version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
      return { name, version, license, folder };
    }),
  );
  const byName = new Map(packages.map((each) => [`${each.name}@${each.version}`, each]));
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/**
 * One text with the licences and notices of packages, each text once, under the names of those that have it.
 *
 * @throws if a package has none
 */
export async function licenceTexts(packages) {
  const texts = new Map();
  for (const { name, version, license, folder } of packages) {
    const text = await licenceOf(join(root, folder));
    texts.set(text, [...(texts.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const sections = [...texts].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`);
  const title = `dist/ holds code of ${packages.length} other packages. These are their licences.\n`;
  return [title, ...sections].join(`\n${'-'.repeat(80)}\n\n`);
}

async function licenceOf(folder) {
  const names = (await readdir(folder)).filter((name) => /^(?:licen[cs]e|copying|notice)(?:\.|$)/i.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  if (texts.length > 0) return texts.map((text) => text.trim()).join('\n\n');
  const readme = await readFile(join(folder, 'README.md'), 'utf8').catch(() => '');
  const section = /^(?:#+ )?License\n(?:-+\n)?([\s\S]+)/m.exec(readme)?.[1];
  if (section === undefined) throw new Error(`${folder}: no licence found`);
  return section.trim();
}
