import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endWithParent } from './children.ts';
import type { Finished } from './command.ts';

const root = join(import.meta.dirname, '..', '..');

/** The block of a page that follows `<!-- rehearsed: NAME -->`. @throws Error when there is none */
export function rehearsed(page: string, name: string): string {
  const text = readFileSync(join(root, page), 'utf8');
  const mark = `<!-- rehearsed: ${name} -->\n\`\`\`bash\n`;
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`${page} has no block that is rehearsed as ${name}`);
  const start = at + mark.length;
  return text.slice(start, text.indexOf('\n```', start));
}

/** Runs such a block as an operator's shell does, where the first command that fails ends it. */
export function runBlock(
  code: string,
  { folder, environment }: { readonly folder: string; readonly environment: Readonly<Record<string, string>> },
): Promise<Finished> {
  // `npx sallyport` is what an installed package has; here it is the checkout's.
  const bin = join(folder, 'rehearsal-bin');
  mkdirSync(bin, { recursive: true });
  const npx = join(bin, 'npx');
  writeFileSync(npx, `#!/bin/sh\nshift\nexec "${process.execPath}" "${join(root, 'bin', 'sallyport.js')}" "$@"\n`);
  chmodSync(npx, 0o755);
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', code], {
      cwd: folder,
      env: { PATH: `${bin}:${process.env.PATH ?? ''}`, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    endWithParent(child);
    const said = { out: '', err: '' };
    for (const [name, stream] of [
      ['out', child.stdout],
      ['err', child.stderr],
    ] as const) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...said }));
  });
}
