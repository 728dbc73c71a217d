import type { BuildOptions } from 'esbuild';

export const bundle: BuildOptions & { readonly entryPoints: Readonly<Record<string, string>> };
export const edgeBundle: BuildOptions;
export const gmailBundle: BuildOptions;
