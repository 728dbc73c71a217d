import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Config } from '../../config/schema.ts';
import { dataFolderOf, type Place } from '../configuration-file.ts';
import { EXIT, Exit } from '../io.ts';

const FILE = 'secrets.json';

/** 32 bytes in base64, as `key` makes them. */
const keyText = z.string().regex(/^[A-Za-z0-9+/]{43}=$/);

const shape = z.object({
  SLACK_SIGNING_SECRET: z.string(),
  SALLYPORT_SEAL_KEY: keyText,
  SALLYPORT_ID_KEY: keyText,
  SALLYPORT_JWT_SECRET: z.string(),
});
export type DevSecrets = z.output<typeof shape>;

const key = (): string => randomBytes(32).toString('base64');

/** Fresh secrets by variable name. A Slack signing secret is 32 hexadecimal characters. */
const freshSecrets = (): DevSecrets => ({
  SLACK_SIGNING_SECRET: randomBytes(16).toString('hex'),
  SALLYPORT_SEAL_KEY: key(),
  SALLYPORT_ID_KEY: key(),
  SALLYPORT_JWT_SECRET: key(),
});

/** What every gate in production keeps in `.env`, fresh, by variable name. */
export function freshProductionSecrets() {
  const { SLACK_SIGNING_SECRET: _, ...secrets } = freshSecrets();
  return { ...secrets, SALLYPORT_METRICS_TOKEN: randomBytes(24).toString('base64url') };
}

/** What `dev` made here earlier, or null. */
export async function readDevSecrets(place: Place): Promise<DevSecrets | null> {
  const path = join(await dataFolderOf(place), FILE);
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  const parsed = shape.safeParse(parseJson(text));
  if (!parsed.success) throw new Exit(EXIT.config, `${path}: is damaged; remove it and start again`);
  return parsed.data;
}

/** Makes development secrets once. Two processes that start together agree: created exclusively, then read again. */
export async function ensureDevSecrets(place: Place): Promise<DevSecrets> {
  const folder = await dataFolderOf(place);
  const unwritable = ({ code }: NodeJS.ErrnoException): never => {
    throw new Exit(EXIT.failed, `SALLYPORT_DATA_DIR: cannot be written (${code})`);
  };
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(unwritable);
  const text = (await earlierSecrets(place)) ?? `${JSON.stringify(freshSecrets(), null, 2)}\n`;
  await writeFile(join(folder, FILE), text, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') unwritable(error);
  });
  const secrets = await readDevSecrets(place);
  if (secrets === null) throw new Exit(EXIT.failed, 'SALLYPORT_DATA_DIR: cannot be read');
  return secrets;
}

/** Earlier releases kept them in `.sallyport` also where the configuration file names another data folder. */
const earlierSecrets = async ({ environment, folder }: Place): Promise<string | null> =>
  environment.SALLYPORT_DATA_DIR ? null : readFile(join(folder, '.sallyport', FILE), 'utf8').catch(() => null);

/** The keys `dev` may open its store with. */
export interface DevKeys {
  /** Those that are configured; the development seal key opens what it has sealed. */
  readonly configured: Config['keys'];
  /** For a store that was made with the development keys; null where their id key is the configured one. */
  readonly own: Config['keys'] | null;
}

/**
 * A store keeps the id key it was made with, and `keygen` may have written another one to `.env` since. Either way every
 * seal key opens what it has sealed; the first seals.
 */
export function devKeys({ keys }: Config, secrets: DevSecrets): DevKeys {
  const id = Buffer.from(secrets.SALLYPORT_ID_KEY, 'base64');
  const seal = Buffer.from(secrets.SALLYPORT_SEAL_KEY, 'base64');
  const given = keys.seal ?? [];
  const others = given.filter((one) => !seal.equals(one));
  return {
    configured: { ...keys, seal: others.length < given.length ? given : [...given, seal] },
    own: keys.id !== undefined && id.equals(keys.id) ? null : { id, seal: [seal, ...others] },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
