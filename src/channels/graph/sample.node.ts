import { createPublicKey, randomBytes, randomUUID } from 'node:crypto';
import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import {
  encryptGraphContent,
  type GraphEncryptedContent,
  type GraphItem,
  type GraphTamper,
  graphDelivery,
  graphItem,
  graphMail,
  signGraphToken,
} from '../../testing/graph/signer.ts';
import { createTestCertificate } from '../../testing/keys/certificate.ts';
import {
  type DevIdentity,
  type Sample,
  type SampleContext,
  SampleError,
  type Sender,
  type SendOptions,
  type SignedDelivery,
  type StandIn,
} from '../sample.node.ts';
import type { GraphConfig } from './settings.ts';

/** How far apart the two messages of `reorder` claim to be written, in ms. */
const REORDER_MS = 2_000;

/** What `dev` calls its certificate: the default of `GRAPH_ENCRYPTION_KEY_ID`. */
const CERTIFICATE_ID = 'sallyport';

const kept = z.object({
  graph: z.object({
    tenantId: z.string(),
    clientId: z.string(),
    clientState: z.string(),
    /** PKCS #8, PEM, and DER in base64: what rich notifications are encrypted with. */
    privateKey: z.string(),
    certificate: z.string(),
  }),
});
type Kept = z.output<typeof kept>;

/** A mail that somebody wrote, and how Graph tells of it. */
interface Change {
  readonly mailbox: string;
  readonly mail: Readonly<Record<string, unknown>> & { readonly id: string };
  readonly changeType: 'created' | 'updated';
}

/** Makes the request that tells of a change, honestly or spoiled in one way. */
type Tell = (change: Change, tamper?: GraphTamper) => Pick<SignedDelivery, 'headers' | 'body'>;

const graphSender: Sender<Kept> = {
  path: (tenant) => `/hooks/graph/${tenant}`,
  // Graph's status is the same for what is kept out.
  statuses: { taken: [202], refused: [202] },
  async deliveries(options, context) {
    const tell = await tellerOf(options, context);
    const expecting = (request: ReturnType<Tell>, expect: SignedDelivery['expect']) => ({ ...request, expect });
    const at = Date.now();
    const change = changeOf(options, at);
    switch (options.tamper) {
      case undefined:
        return [expecting(tell(change), 'accepted')];
      case 'replay': {
        const request = tell(change);
        return [expecting(request, 'accepted'), expecting(request, 'duplicate')];
      }
      case 'duplicate':
        // What Exchange makes of one mail: it is created, and updated a moment later.
        return [
          expecting(tell(change), 'accepted'),
          expecting(tell({ ...change, changeType: 'updated' }), 'duplicate'),
        ];
      case 'reorder':
        return [expecting(tell(change), 'accepted'), expecting(tell(changeOf(options, at - REORDER_MS)), 'accepted')];
      default:
        return [expecting(tell(change, options.tamper), 'refused')];
    }
  },
};

function changeOf({ payload, text, index, user: from }: SendOptions, at: number): Change {
  const id = `AAkALg${randomBytes(24).toString('base64url')}=`;
  const written = graphMail({ id, text: index === 0 ? text : `${text} (${index + 1})`, at, ...defined({ from }) });
  const mail = payload === undefined || isDelivery(payload) ? written : { ...written, ...recordOf(payload) };
  return { mailbox: 'sallyport@example.com', mail, changeType: 'created' };
}

const isDelivery = (payload: unknown): boolean => Array.isArray(recordOf(payload).value);

function recordOf(payload: unknown): Readonly<Record<string, unknown>> {
  if (typeof payload === 'object' && payload !== null && !Array.isArray(payload)) return { ...payload };
  throw new SampleError('usage', '--file: must hold a JSON object: a mail, or a delivery with its `value`');
}

/** Rich notifications where `dev` has made a key for them, else basic ones of a hand-made subscription. */
async function tellerOf({ payload, tenant }: SendOptions, context: SampleContext<Kept>): Promise<Tell> {
  if (payload !== undefined && isDelivery(payload)) {
    const { value, validationTokens } = recordOf(payload) as { value: unknown[]; validationTokens?: string[] };
    return () => graphDelivery(value, validationTokens);
  }
  const graph = (await context.settings(tenant)) as GraphConfig | undefined;
  if (graph !== undefined) {
    const clientState = graph.clientStates?.[0];
    if (clientState !== undefined) return tellBasic(graph.tenantId, clientState);
    throw new SampleError('config', 'GRAPH_CLIENT_STATE: is required');
  }
  const identity = await context.dev();
  if (identity !== null) return tellRich(identity);
  throw new SampleError(
    'config',
    'GRAPH_TENANT_ID, GRAPH_CLIENT_STATE: are required (or start `sallyport dev` here once)',
  );
}

const resourceOf = ({ mailbox, mail }: Change): string => `Users/${mailbox}/Messages/${mail.id}`;

/** A hint. Nothing in it is bound to a time, so it can be neither stale nor ahead. */
const tellBasic =
  (tenantId: string, clientState: string): Tell =>
  (change, tamper) => {
    if (tamper === 'stale' || tamper === 'future') {
      throw new SampleError(
        'usage',
        `--tamper ${tamper}: basic notifications have no time; start \`sallyport dev\` for rich ones`,
      );
    }
    const item = graphItem({
      tenantId: tamper === 'altered' ? randomUUID() : tenantId,
      clientState: tamper === 'wrong-key' ? randomUUID() : clientState,
      resource: resourceOf(change),
      changeType: change.changeType,
    });
    return graphDelivery([item]);
  };

/** With the mail inside, encrypted, and a token that says it is Graph who tells. */
const tellRich =
  ({ key, kept: { graph } }: DevIdentity<Kept>): Tell =>
  (change, tamper) => {
    const encryptedContent = encryptGraphContent(change.mail, createPublicKey(graph.privateKey), CERTIFICATE_ID);
    const item: GraphItem = graphItem({
      tenantId: graph.tenantId,
      clientState: graph.clientState,
      resource: resourceOf(change),
      changeType: change.changeType,
      encryptedContent: tamper === 'altered' ? altered(encryptedContent) : encryptedContent,
    });
    const spoiled = tamper === undefined || tamper === 'altered' ? {} : { tamper };
    return graphDelivery([item], [signGraphToken({ ...graph, key, at: Date.now(), ...spoiled })]);
  };

/** One bit of the ciphertext. */
function altered(content: GraphEncryptedContent): GraphEncryptedContent {
  const data = Buffer.from(content.data, 'base64');
  data[0] = (data[0] ?? 0) ^ 1;
  return { ...content, data: data.toString('base64') };
}

const standIn: StandIn<Kept> = {
  kept,
  fresh() {
    const { privateKey, certificate } = createTestCertificate();
    const clientState = randomBytes(32).toString('base64url');
    return { graph: { tenantId: randomUUID(), clientId: randomUUID(), clientState, privateKey, certificate } };
  },
  async start({ graph }, { jwksUrl }, { environment }) {
    // Who names a real Entra tenant gets notifications that Microsoft signs.
    if (environment.GRAPH_TENANT_ID) return { settings: {} };
    return {
      settings: {
        GRAPH_TENANT_ID: graph.tenantId,
        GRAPH_CLIENT_ID: graph.clientId,
        GRAPH_CLIENT_STATE: graph.clientState,
        GRAPH_ENCRYPTION_CERT: graph.certificate,
        GRAPH_ENCRYPTION_KEY: graph.privateKey,
        GRAPH_JWKS_URL: jwksUrl,
      },
    };
  },
};

export const graphSample: Sample<Kept> = { senders: { graph: graphSender }, standIn };
