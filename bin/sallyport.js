#!/usr/bin/env node
// The bundle is made by `npm install` (the prepare script) and is part of the published package.
import { existsSync } from 'node:fs';

const bundle = new URL('../dist/cli.js', import.meta.url);
if (!existsSync(bundle)) {
  console.error('sallyport: dist/ is missing; run `npm run build` first');
  process.exit(1);
}
await import(bundle.href);
