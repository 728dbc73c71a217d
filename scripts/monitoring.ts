// Writes the rules of Prometheus and the dashboards of Grafana: `npm run docs:monitoring`.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dashboardFile, provisioning } from './monitoring/dashboards.ts';
import { dashboards } from './monitoring/panels.ts';
import { rulesFile } from './monitoring/rules-file.ts';

const ROOT = new URL('../', import.meta.url);

/** Every generated file by its path, with its text. */
export const files = (): ReadonlyMap<string, string> =>
  new Map([
    ['deploy/prometheus/rules.yml', rulesFile()],
    ...dashboards.map((one) => [`deploy/grafana/dashboards/${one.file}`, dashboardFile(one)] as const),
    ...[...provisioning].map(([file, text]) => [`deploy/grafana/${file}`, text] as const),
  ]);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [file, text] of files()) {
    const path = fileURLToPath(new URL(file, ROOT));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}
