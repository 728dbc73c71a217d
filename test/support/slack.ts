import {
  type SlackMessageOptions,
  type SlackTamper,
  signSlackRequest,
  slackJson,
  slackMessage,
} from '../../src/testing/slack/signer.ts';
import { SIGNING_SECRET } from './gate.ts';

/** What the gate answered, in the words tests speak. */
export interface Answered {
  readonly status: number;
  readonly outcome: string | null;
  readonly eventId: string | null;
  readonly body: string;
  readonly headers: Headers;
}

export interface PostOptions {
  readonly path?: string;
  readonly tamper?: SlackTamper;
  readonly at?: number;
  /** The address that the request comes from, where a front is told of it. */
  readonly source?: string;
}

/** The app, or a front of it. */
interface Door {
  request(request: Request): Response | Promise<Response>;
}

/** Posts a payload, signed as Slack signs it. */
export async function postSlack(door: Door, payload: unknown, options: PostOptions = {}): Promise<Answered> {
  const { path = '/hooks/slack/default', tamper, at = Date.now(), source } = options;
  const signing = { signingSecret: SIGNING_SECRET, at, ...(tamper === undefined ? {} : { tamper }) };
  const { method, headers, body } = signSlackRequest(slackJson(payload), signing);
  const sent = { ...headers, ...(source !== undefined && { 'cf-connecting-ip': source }) };
  return answered(
    await door.request(new Request(`http://gate.test${path}`, { method, headers: sent, body: new Uint8Array(body) })),
  );
}

export async function answered(response: Response): Promise<Answered> {
  return {
    status: response.status,
    outcome: response.headers.get('x-sallyport-outcome'),
    eventId: response.headers.get('x-sallyport-event'),
    body: await response.text(),
    headers: response.headers,
  };
}

/** A message of our test workspace; `ts` and text decide what it is. */
export const message = (options: Partial<SlackMessageOptions> & { text: string }): Record<string, unknown> =>
  slackMessage({ at: Date.now(), ...options });
