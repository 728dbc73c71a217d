import type { Metafile } from 'esbuild';

export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** As its package.json says. */
  readonly license: string;
  /** Where it is installed, from the root of the checkout. */
  readonly folder: string;
}

/** The packages of which some code is in the outputs, in the order of their names. */
export function bundledPackages(metafiles: readonly Metafile[]): Promise<readonly BundledPackage[]>;
/**
 * Their licences and notices as one text.
 * @throws if a package has none
 */
export function licenceTexts(packages: readonly BundledPackage[]): Promise<string>;
