import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { edgeBundle } from '../../scripts/bundle.js';
import { ensureBuilt } from '../support/built.ts';
import { testFolder } from '../support/folder.ts';

const root = join(import.meta.dirname, '..', '..');

/** Bytes of the compressed Worker. */
const MOST = 150_000;

describe('the bundle of the edge', () => {
  let text: string;
  let metafile: Metafile;
  beforeAll(async () => {
    const result = await build({ ...edgeBundle, write: false, metafile: true });
    text = result.outputFiles?.[0]?.text ?? '';
    metafile = result.metafile as Metafile;
  });

  test('is small enough', () => {
    expect(gzipSync(text).length).toBeLessThanOrEqual(MOST);
  });

  test('holds these packages, and no other', () => {
    const files = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
    const packages = files.map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]).filter(Boolean);
    expect([...new Set(packages)].sort()).toEqual([
      '@noble/ciphers',
      '@noble/hashes',
      'hono',
      'ipaddr.js',
      'jose',
      'zod',
    ]);
    // Nothing that only Node runs, and no other half of a channel.
    expect(files.filter((file) => file.endsWith('.node.ts') || /src\/(?:workers|cli|testing)\//.test(file))).toEqual(
      [],
    );
  });

  test('asks the runtime for nothing of Node', () => {
    const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
    expect([...new Set(imports.filter(({ external }) => external).map(({ path }) => path))]).toEqual([
      'cloudflare:workers',
    ]);
    expect(text).not.toMatch(/\bnode:[a-z]|\brequire\(|\bprocess\.(?:env|version)|\bBuffer\./);
  });

  test('is what wrangler deploys with the configuration of the repository, and no larger', async () => {
    await ensureBuilt();
    const folder = await testFolder();
    const wrangler = join(root, 'node_modules', 'wrangler', 'bin', 'wrangler.js');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [wrangler, 'deploy', '--dry-run', '--outdir', folder],
      {
        cwd: root,
        encoding: 'utf8',
        env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: 'true' },
      },
    );
    expect(status, stdout + stderr).toBe(0);
    expect(stdout).toContain('env.SHARDS (EdgeShard)');
    const [name = ''] = readdirSync(folder).filter((file) => file.endsWith('.js'));
    expect(gzipSync(readFileSync(join(folder, name))).length).toBeLessThanOrEqual(MOST);
  });
});
