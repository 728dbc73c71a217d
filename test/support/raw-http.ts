import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** One response as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface Exchange {
  readonly answers: readonly RawAnswer[];
  /** The other side ended the connection. */
  readonly isClosed: boolean;
  /** Every byte that came, as latin1. */
  readonly raw: string;
}

/** What is written, in order; a number is a pause in milliseconds. */
export type Script = Iterable<string | Uint8Array | number>;

export interface ExchangeOptions {
  /** Answers to wait for. */
  readonly answers?: number;
  /** Wait for the other side to end the connection as well. */
  readonly untilClosed?: boolean;
}

/** A connection still open by then without the answers hangs. Longer than every time limit of a gate under test. */
const HANG_MS = 30_000;

/**
 * Writes bytes to a port as they are, correct HTTP or not, and reads what comes back: as many answers as asked for, or
 * fewer when the other side closes. Strings are written as latin1. @throws Error when neither happens
 */
export function exchange(port: number, script: Script, options: ExchangeOptions = {}): Promise<Exchange> {
  const { answers: wanted = 1, untilClosed = false } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    let isEnded = false;
    const settle = (isClosed: boolean): void => {
      if (isEnded) return;
      isEnded = true;
      clearTimeout(timer);
      socket.destroy();
      const raw = Buffer.concat(chunks).toString('latin1');
      resolve({ answers: parseAnswers(raw), isClosed, raw });
    };
    const timer = setTimeout(() => {
      isEnded = true;
      socket.destroy();
      reject(
        new Error(`no end after ${HANG_MS} ms; so far: ${Buffer.concat(chunks).toString('latin1').slice(0, 500)}`),
      );
    }, HANG_MS);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (untilClosed) return;
      if (parseAnswers(Buffer.concat(chunks).toString('latin1')).length >= wanted) settle(false);
    });
    // A reset is an end too: whoever keeps sending after the answer gets one.
    socket
      .on('end', () => settle(true))
      .on('close', () => settle(true))
      .on('error', () => {});
    socket.once('connect', () => {
      void play(script, (bytes) => {
        if (!isEnded) socket.write(bytes);
        return !isEnded;
      });
    });
  });
}

/** Until the script ends, or `write` says that nobody listens any more. */
async function play(script: Script, write: (bytes: Uint8Array) => boolean): Promise<void> {
  for (const step of script) {
    if (typeof step === 'number') await delay(step);
    else if (!write(typeof step === 'string' ? Buffer.from(step, 'latin1') : step)) return;
  }
}

/** The complete responses at the start of what came. */
function parseAnswers(raw: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = raw;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return answers;
    const [statusLine = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = new Map(
      lines.map((line) => [line.split(':')[0]?.toLowerCase() ?? '', line.replace(/^[^:]*:\s*/, '')]),
    );
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1] ?? Number.NaN);
    const body = status === 100 ? { text: '', length: 0 } : bodyOf(rest.slice(end + 4), headers);
    if (body === null) return answers;
    rest = rest.slice(end + 4 + body.length);
    if (status !== 100) answers.push({ status, headers, body: body.text });
  }
}

function bodyOf(rest: string, headers: ReadonlyMap<string, string>): { text: string; length: number } | null {
  if (headers.get('transfer-encoding') !== 'chunked') {
    const length = Number(headers.get('content-length') ?? 0);
    return rest.length < length ? null : { text: rest.slice(0, length), length };
  }
  let text = '';
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(rest.slice(at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (rest.length < next) return null;
    text += rest.slice(lineEnd + 2, lineEnd + 2 + size);
    at = next;
    if (size === 0) return { text, length: at };
  }
}

/** A request as bytes. `headers` go out as they are, in order; nothing is added. */
export function rawRequest(
  startLine: string,
  headers: Readonly<Record<string, string>> | readonly (readonly [string, string])[],
  body: string | Uint8Array = '',
): Buffer {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  const head = [startLine, ...pairs.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n');
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body as string, 'latin1')]);
}
