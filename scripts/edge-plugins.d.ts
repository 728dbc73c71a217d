import type { Plugin } from 'esbuild';

export const edgePlugins: Plugin[];
/** Source of a module that exports `decodeHTMLStrict`. */
export function referencesModule(): string;
