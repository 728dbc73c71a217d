import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../../config/environment.ts';
import { createTestCertificate } from '../../testing/keys/certificate.ts';
import { startKeyServer } from '../../testing/keys/key-server.ts';
import { type SigningKey, signingKey } from '../../testing/keys/signing-key.ts';
import { freshSecurityToken } from '../../testing/teams/signer.ts';
import { EXIT, Exit } from '../io.ts';
import { startDevGmail } from './gmail.ts';

interface Place {
  readonly environment: Environment;
  readonly folder: string;
}

const FILE = 'vendors.json';

const shape = z.object({
  /** PKCS #8, PEM: what signs in place of the vendors. */
  signingKey: z.string(),
  teamsAppId: z.string(),
  teamsOutgoingSecret: z.string(),
  graph: z.object({
    tenantId: z.string(),
    clientId: z.string(),
    clientState: z.string(),
    /** PKCS #8, PEM, and DER in base64: what rich notifications are encrypted with. */
    privateKey: z.string(),
    certificate: z.string(),
  }),
});
type Vendors = z.output<typeof shape>;

/** What `dev` trusts in place of vendors whose keys nobody else has. */
export interface DevVendors {
  readonly key: SigningKey;
  readonly teamsAppId: string;
  readonly teamsOutgoingSecret: string;
  readonly graph: Vendors['graph'];
}

const pathOf = ({ environment, folder }: Place): string =>
  join(resolve(folder, environment.SALLYPORT_DATA_DIR || '.sallyport'), FILE);

/** What `dev` made here earlier, or null. @throws Exit 78 when it is damaged */
export async function readDevVendors(place: Place): Promise<DevVendors | null> {
  const path = pathOf(place);
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    const { signingKey: pem, ...names } = shape.parse(JSON.parse(text));
    const privateKey = createPrivateKey(pem);
    const pair = { kid: 'development', privateKey, publicKey: createPublicKey(privateKey) };
    return { ...names, key: signingKey(pair, ['msteams']) };
  } catch {
    throw new Exit(EXIT.config, `${path}: is damaged; remove it and start again`);
  }
}

/** Makes them once. Two processes that start together agree: created exclusively, then read again. */
async function ensureDevVendors(place: Place): Promise<DevVendors> {
  const known = await readDevVendors(place);
  if (known !== null) return known;
  const path = pathOf(place);
  await mkdir(resolve(path, '..'), { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const fresh: Vendors = {
    signingKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    teamsAppId: randomUUID(),
    teamsOutgoingSecret: freshSecurityToken(),
    graph: freshGraph(),
  };
  await writeFile(path, `${JSON.stringify(fresh, null, 2)}\n`, { flag: 'wx', mode: 0o600 }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw new Exit(EXIT.failed, `SALLYPORT_DATA_DIR: cannot be written (${error.code})`);
    },
  );
  const made = await readDevVendors(place);
  if (made === null) throw new Exit(EXIT.failed, 'SALLYPORT_DATA_DIR: cannot be read');
  return made;
}

function freshGraph(): Vendors['graph'] {
  const { privateKey, certificate } = createTestCertificate();
  const clientState = randomBytes(32).toString('base64url');
  return { tenantId: randomUUID(), clientId: randomUUID(), clientState, privateKey, certificate };
}

export interface RunningVendors {
  /** Settings by variable name, for channels that the environment does not configure itself. */
  readonly settings: Environment;
  close(): Promise<void>;
}

/** Publishes the development key where the gate looks for the vendors' keys, so that `send` can play them. */
export async function startDevVendors(place: Place): Promise<RunningVendors> {
  const { key, teamsAppId, teamsOutgoingSecret, graph } = await ensureDevVendors(place);
  const keys = await startKeyServer([key]);
  // A real push subscription's tokens are signed by Google, and its mailboxes are at Google.
  const gmail = place.environment.GMAIL_PUSH_AUDIENCE ? null : await startDevGmail(place, keys.jwksUrl);
  const teams = { TEAMS_APP_ID: teamsAppId, TEAMS_OPENID_URL: keys.openidUrl };
  return {
    settings: {
      // A real bot's activities are signed with Microsoft's keys, which only the real document names.
      ...(place.environment.TEAMS_APP_ID ? {} : teams),
      TEAMS_OUTGOING_SECRET: teamsOutgoingSecret,
      // Likewise: who names a real Entra tenant gets notifications that Microsoft signs.
      ...(place.environment.GRAPH_TENANT_ID ? {} : graphSettings(graph, keys.jwksUrl)),
      ...gmail?.settings,
    },
    close: async () => {
      await keys.close();
      await gmail?.close();
    },
  };
}

const graphSettings = (graph: Vendors['graph'], jwksUrl: string): Environment => ({
  GRAPH_TENANT_ID: graph.tenantId,
  GRAPH_CLIENT_ID: graph.clientId,
  GRAPH_CLIENT_STATE: graph.clientState,
  GRAPH_ENCRYPTION_CERT: graph.certificate,
  GRAPH_ENCRYPTION_KEY: graph.privateKey,
  GRAPH_JWKS_URL: jwksUrl,
});
