import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** One answer of the model, or of its endpoint. */
export interface LlmAnswer {
  readonly text?: string;
  /** Tools it asks for. `arguments` as text goes out as it is, valid JSON or not. */
  readonly calls?: readonly { readonly name: string; readonly arguments: unknown }[];
  /** Tokens it reports; null: nothing. Default 100 and 20. */
  readonly usage?: { readonly input: number; readonly output: number } | null;
  /** Before it answers. */
  readonly delayMs?: number;
  /** An error instead of an answer. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent instead of what the API would say. */
  readonly body?: string;
  /** Never answers; cuts the connection without an answer; or cuts it after half of the answer's body. */
  readonly fault?: 'hang' | 'drop' | 'cut';
}

/** A request as the endpoint got it. */
export interface LlmRequest {
  readonly model: string;
  readonly messages: readonly {
    readonly role: string;
    readonly content: string | null;
    readonly tool_calls?: readonly {
      readonly id: string;
      readonly function: { readonly name: string; readonly arguments: string };
    }[];
    readonly tool_call_id?: string;
  }[];
  readonly tools?: readonly { readonly function: { readonly name: string; readonly parameters: unknown } }[];
  readonly tool_choice?: unknown;
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly stream?: boolean;
}

export interface LlmServerOptions {
  /** Answers when nothing is scripted. Default: says back the last message. */
  readonly answer?: (request: LlmRequest, n: number) => LlmAnswer | Promise<LlmAnswer>;
  /** Refuses other keys with 401. */
  readonly apiKey?: string;
  /**
   * Models that refuse `max_tokens` and parameters of sampling with 400, as OpenAI's models with reasoning do. Default: by
   * the names of those, o1 and later and gpt-5 and later.
   */
  readonly isReasoning?: (model: string) => boolean;
  readonly port?: number;
}

export interface LlmServer {
  /** What `LLM_BASE_URL` takes. */
  readonly url: string;
  /** Requests for an answer, oldest first. */
  readonly requests: LlmRequest[];
  /** Scripts the next answers. */
  script(...answers: readonly LlmAnswer[]): void;
  stop(): Promise<void>;
}

/** A local OpenAI-compatible endpoint with a model that says what it is told to. */
export async function startLlmServer(options: LlmServerOptions = {}): Promise<LlmServer> {
  const requests: LlmRequest[] = [];
  const scripted: LlmAnswer[] = [];
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readText(request);
    const key = request.headers.authorization?.replace(/^Bearer /, '');
    if (options.apiKey !== undefined && key !== options.apiKey) return problem(response, 401, 'invalid_api_key');
    if (request.url === '/v1/models')
      return json(response, { object: 'list', data: [{ id: 'local', object: 'model' }] });
    if (request.method !== 'POST' || request.url !== '/v1/chat/completions') return problem(response, 404, 'not_found');
    const asked = JSON.parse(body) as LlmRequest;
    requests.push(asked);
    const refusal = (options.isReasoning ?? isNamedReasoning)(asked.model) ? refusalOf(asked) : null;
    if (refusal !== null) return void response.writeHead(400, { 'content-type': 'application/json' }).end(refusal);
    const answer = scripted.shift() ?? (await (options.answer ?? sayBack)(asked, requests.length));
    if (answer.delayMs !== undefined) await delay(answer.delayMs);
    if (answer.fault === 'hang') return;
    if (answer.fault === 'drop') return void request.socket.destroy();
    if (answer.fault === 'cut') return cut(response, answer.status ?? 200, completion(asked, answer, requests.length));
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
    if (answer.body !== undefined) return void response.writeHead(answer.status ?? 200).end(answer.body);
    if (answer.status !== undefined) return problem(response, answer.status, 'scripted');
    if (asked.stream) return stream(response, asked, answer, requests.length);
    json(response, completion(asked, answer, requests.length));
  }

  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    script: (...answers) => void scripted.push(...answers),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const isNamedReasoning = (model: string): boolean =>
  /(?:^|[/:])(?:o[1-9]\d?|gpt-(?:[5-9]|[1-9]\d))(?:$|[-.:@])/i.test(model);

/** What OpenAI says of the first parameter that a model with reasoning does not take; null when it takes all. */
function refusalOf(request: LlmRequest): string | null {
  if (request.max_tokens !== undefined) {
    const message =
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    return refused('max_tokens', 'unsupported_parameter', message);
  }
  for (const param of ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty']) {
    const value: unknown = Reflect.get(request, param);
    if (value === undefined || value === (param.endsWith('penalty') ? 0 : 1)) continue;
    const message = `Unsupported value: '${param}' does not support ${value} with this model. Only the default value is supported.`;
    return refused(param, 'unsupported_value', message);
  }
  return null;
}

const refused = (param: string, code: string, message: string): string =>
  JSON.stringify({ error: { message, type: 'invalid_request_error', param, code } });

const sayBack = ({ messages }: LlmRequest): LlmAnswer => ({ text: String(messages.at(-1)?.content ?? '') });

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Announces a whole body, sends half of it and closes the connection. */
function cut(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.write(text.slice(0, text.length / 2), () => response.destroy());
}

function problem(response: ServerResponse, status: number, code: string): void {
  const body = JSON.stringify({ error: { message: code, type: 'invalid_request_error', code } });
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}

const frameOf = ({ model }: LlmRequest, n: number) => ({ id: `chatcmpl-${n}`, created: 1_700_000_000, model });

function completion(request: LlmRequest, answer: LlmAnswer, n: number): object {
  const calls = callsOf(answer, n);
  const message = { role: 'assistant', content: answer.text ?? null, ...(calls.length > 0 && { tool_calls: calls }) };
  const choice = { index: 0, message, finish_reason: finishOf(answer) };
  return { ...frameOf(request, n), object: 'chat.completion', choices: [choice], ...usageOf(answer) };
}

function stream(response: ServerResponse, request: LlmRequest, answer: LlmAnswer, n: number): void {
  const frame = { ...frameOf(request, n), object: 'chat.completion.chunk' };
  const calls = callsOf(answer, n).map((call, index) => ({ ...call, index }));
  const delta = { role: 'assistant', content: answer.text ?? '', ...(calls.length > 0 && { tool_calls: calls }) };
  const chunks = [
    { ...frame, choices: [{ index: 0, delta, finish_reason: null }] },
    { ...frame, choices: [{ index: 0, delta: {}, finish_reason: finishOf(answer) }], ...usageOf(answer) },
  ];
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const chunk of chunks) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  response.end('data: [DONE]\n\n');
}

const callsOf = ({ calls = [] }: LlmAnswer, n: number) =>
  calls.map(({ name, arguments: given }, i) => ({
    id: `call_${n}_${i}`,
    type: 'function',
    function: { name, arguments: typeof given === 'string' ? given : JSON.stringify(given) },
  }));

const finishOf = ({ calls = [] }: LlmAnswer): string => (calls.length > 0 ? 'tool_calls' : 'stop');

function usageOf({ usage = { input: 100, output: 20 } }: LlmAnswer): object {
  if (usage === null) return {};
  const { input, output } = usage;
  return { usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output } };
}
