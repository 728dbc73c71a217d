import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import type { Plugs } from '../../channels/module.node.ts';
import type { DevIdentity, StandIn } from '../../channels/sample.node.ts';
import type { Environment } from '../../config/variables.ts';
import { startKeyServer } from '../../testing/keys/key-server.ts';
import { type SigningKey, signingKey } from '../../testing/keys/signing-key.ts';
import { dataFolderOf, type Place } from '../configuration-file.ts';
import { EXIT, Exit } from '../io.ts';

const FILE = 'vendors.json';

/** `signingKey`: PKCS #8, PEM: what signs in place of the vendors. The rest is what the channels keep. */
const shape = z.looseObject({ signingKey: z.string() });
type Kept = z.output<typeof shape>;

const damaged = (path: string): Exit => new Exit(EXIT.config, `${path}: is damaged; remove it and start again`);

async function readKept(path: string): Promise<Kept | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return shape.parse(JSON.parse(text));
  } catch {
    throw damaged(path);
  }
}

function keyOf({ signingKey: pem }: Kept, path: string): SigningKey {
  try {
    const privateKey = createPrivateKey(pem);
    return signingKey({ kid: 'development', privateKey, publicKey: createPublicKey(privateKey) }, ['msteams']);
  } catch {
    throw damaged(path);
  }
}

/** What `dev` made here earlier and a channel keeps of it, or null. @throws Exit 78 when it is damaged */
export async function readDevIdentity(
  standIn: StandIn<unknown> | undefined,
  place: Place,
): Promise<DevIdentity<unknown> | null> {
  const path = join(await dataFolderOf(place), FILE);
  const kept = await readKept(path);
  if (kept === null || standIn === undefined) return null;
  const own = standIn.kept.safeParse(kept);
  if (!own.success) throw damaged(path);
  return { key: keyOf(kept, path), kept: own.data };
}

/** Makes what is not there yet. Two processes that start together agree: created exclusively, then read again. */
async function ensureKept(standIns: readonly StandIn<unknown>[], path: string): Promise<Kept> {
  const known = await readKept(path);
  // A channel that came after the file was made has nothing in it yet.
  const isMissing = ({ kept }: StandIn<unknown>): boolean =>
    known === null || Object.keys(kept.shape).some((name) => known[name] === undefined);
  const missing = standIns.filter(isMissing);
  if (known !== null && missing.length === 0) return known;
  const made = known ?? { signingKey: freshKey() };
  for (const { fresh } of missing) Object.assign(made, fresh());
  await mkdir(resolve(path, '..'), { recursive: true, mode: 0o700 });
  const flag = known === null ? 'wx' : 'w';
  await writeFile(path, `${JSON.stringify(made, null, 2)}\n`, { flag, mode: 0o600 }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw new Exit(EXIT.failed, `SALLYPORT_DATA_DIR: cannot be written (${error.code})`);
    },
  );
  const kept = await readKept(path);
  if (kept === null) throw new Exit(EXIT.failed, 'SALLYPORT_DATA_DIR: cannot be read');
  return kept;
}

const freshKey = (): string =>
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

export interface RunningVendors {
  /** Settings by variable name, for channels that the environment does not configure itself. */
  readonly settings: Environment;
  close(): Promise<void>;
}

/** Publishes the development key where the gate looks for the vendors' keys, and starts what stands in for them. */
export async function startDevVendors(place: Place, { modules, halves }: Plugs): Promise<RunningVendors> {
  const samples = await Promise.all(modules.map(async ({ name }) => (await halves[name]?.())?.sample()));
  const standIns = samples.flatMap((sample) => sample?.standIn ?? []);
  const dataFolder = await dataFolderOf(place);
  const path = join(dataFolder, FILE);
  const kept = await ensureKept(standIns, path);
  const keys = await startKeyServer([keyOf(kept, path)]);
  const where = { environment: place.environment, dataFolder };
  const running = await Promise.all(
    standIns.map((standIn) => {
      const own = standIn.kept.safeParse(kept);
      if (!own.success) throw damaged(path);
      return standIn.start(own.data, keys, where);
    }),
  );
  return {
    settings: Object.assign({}, ...running.map(({ settings }) => settings)),
    close: async () => {
      await keys.stop();
      await Promise.all(running.map((one) => one.close?.()));
    },
  };
}
