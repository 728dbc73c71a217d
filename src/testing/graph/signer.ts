import {
  constants,
  createCipheriv,
  createHmac,
  type KeyObject,
  publicEncrypt,
  randomBytes,
  randomUUID,
} from 'node:crypto';
import { defined } from '../../core/defined.ts';
import { type Claims, createSigningKey, type SigningKey, signToken } from '../keys/signing-key.ts';

/**
 * Ways to spoil a rich notification that would otherwise be correct. Graph's answer to each is the same 202; what tells
 * them apart is that nothing is accepted.
 */
export type GraphTamper = 'stale' | 'future' | 'wrong-key' | 'altered';

/** The application that publishes Graph's notifications. */
export const GRAPH_PUBLISHER = '0bf30f3b-4a52-48df-9a82-234910c4a086';

/** Life of validation tokens in Microsoft's own example, in seconds. */
const TOKEN_SECONDS = 8 * 3600;
/** One second more than the clock difference that is forgiven. */
const OUTSIDE_SKEW_SECONDS = 61;
/** What is dated ahead must still be ahead when it is read: so much may pass on the way, in seconds. */
const ON_THE_WAY_SECONDS = 30;

export interface GraphTokenOptions {
  /** A key of the set behind `GRAPH_JWKS_URL`. */
  readonly key: SigningKey;
  /** Entra tenant and application. */
  readonly tenantId: string;
  readonly clientId: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** `1.0` names the publisher in `appid`, `2.0` in `azp`. */
  readonly version?: '1.0' | '2.0';
  /** Claims to be different; undefined leaves one out. */
  readonly claims?: Claims;
  readonly tamper?: Exclude<GraphTamper, 'altered'>;
}

/** The claims of a validation token as Entra writes them. */
export function graphClaims({
  tenantId,
  clientId,
  at,
  version = '1.0',
  claims,
  tamper,
}: Omit<GraphTokenOptions, 'key'>) {
  const shift = tamper === 'stale' ? -TOKEN_SECONDS - OUTSIDE_SKEW_SECONDS : 0;
  const seconds = Math.floor(at / 1000) + (tamper === 'future' ? OUTSIDE_SKEW_SECONDS + ON_THE_WAY_SECONDS : shift);
  const issuer =
    version === '1.0' ? `https://sts.windows.net/${tenantId}/` : `https://login.microsoftonline.com/${tenantId}/v2.0`;
  return {
    aud: clientId,
    iss: issuer,
    iat: seconds,
    nbf: seconds,
    exp: seconds + TOKEN_SECONDS,
    ...(version === '1.0' ? { appid: GRAPH_PUBLISHER } : { azp: GRAPH_PUBLISHER }),
    tid: tenantId,
    ver: version,
    ...claims,
  } satisfies Claims;
}

/** A validation token, honest or wrong in exactly the way `tamper` names. */
export function signGraphToken(options: GraphTokenOptions): string {
  const { key, tamper } = options;
  return signToken(graphClaims(options), tamper === 'wrong-key' ? createSigningKey({ kid: key.kid }) : key);
}

export interface GraphEncryptedContent {
  readonly data: string;
  readonly dataKey: string;
  readonly dataSignature: string;
  readonly encryptionCertificateId: string;
}

/** Encrypts an object as Graph does. Anybody who has the certificate can: it proves nothing. */
export function encryptGraphContent(
  resource: unknown,
  publicKey: KeyObject,
  encryptionCertificateId: string,
): GraphEncryptedContent {
  const key = randomBytes(32);
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16));
  const data = Buffer.concat([cipher.update(JSON.stringify(resource)), cipher.final()]);
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return {
    data: data.toString('base64'),
    dataKey: publicEncrypt({ key: publicKey, padding, oaepHash: 'sha1' }, key).toString('base64'),
    dataSignature: createHmac('sha256', key).update(data).digest('base64'),
    encryptionCertificateId,
  };
}

export type GraphItem = Readonly<Record<string, unknown>>;

export interface GraphItemOptions {
  readonly subscriptionId?: string;
  readonly tenantId: string;
  readonly clientState: string;
  /** Path of the object, e.g. `Users/{id}/Messages/{id}`. */
  readonly resource: string;
  readonly changeType?: 'created' | 'updated' | 'deleted';
  readonly encryptedContent?: GraphEncryptedContent;
  /** Epoch milliseconds at which the subscription ends. */
  readonly expiresAt?: number;
  /** Graph leaves it out of some notifications. */
  readonly id?: string;
}

/** One change as Graph tells it. */
export function graphItem({ changeType = 'created', resource, expiresAt = 0, ...item }: GraphItemOptions): GraphItem {
  const objectId = resource.split(/[/(')]/).findLast((part) => part !== '') ?? '';
  return {
    subscriptionId: randomUUID(),
    subscriptionExpirationDateTime: graphTime(expiresAt),
    changeType,
    resource,
    resourceData: {
      '@odata.type':
        /messages/i.test(resource) && /users/i.test(resource)
          ? '#Microsoft.Graph.Message'
          : '#Microsoft.Graph.chatMessage',
      '@odata.id': resource,
      '@odata.etag': `W/"${randomBytes(6).toString('hex')}"`,
      id: objectId,
    },
    ...item,
  };
}

/** Seven digits of a second, as Graph writes most times. */
export const graphTime = (at: number): string => new Date(at).toISOString().replace('Z', '0000Z');

/** A request as Graph would send it, ready for `fetch`. */
export interface GraphRequest {
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Several items in one delivery, with the validation tokens of those that hold encrypted objects. */
export const graphDelivery = (items: readonly unknown[], validationTokens?: readonly string[]): GraphRequest => ({
  method: 'POST',
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: Buffer.from(JSON.stringify({ value: items, ...defined({ validationTokens }) })),
});

export interface GraphMessageOptions {
  readonly text: string;
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly from?: string;
  readonly subject?: string;
}

/** A mail as Graph's `message` resource. */
export const graphMail = ({ text, id, at, from = 'sender@example.com', subject = 'Hello' }: GraphMessageOptions) => ({
  id,
  createdDateTime: graphTime(at),
  receivedDateTime: graphTime(at),
  subject,
  isDraft: false,
  body: { contentType: 'text', content: text },
  from: { emailAddress: { name: 'Sender', address: from } },
  internetMessageId: `<${id}@example.com>`,
});

/** A Teams message as Graph's `chatMessage` resource. */
export const graphChatMessage = ({ text, id, at, from = 'user-1' }: GraphMessageOptions) => ({
  id,
  messageType: 'message',
  createdDateTime: graphTime(at),
  lastModifiedDateTime: graphTime(at),
  deletedDateTime: null,
  from: { application: null, user: { id: from, displayName: 'Sender' } },
  body: { contentType: 'html', content: `<p>${text}</p>` },
});
