import * as z from 'zod';
import { callApi } from './access.ts';
import { attemptFailure, failureText, nextSteps } from './event-page.ts';
import type { GateOptions } from './gate.ts';
import { EXIT, Exit, type Io, inLine } from './io.ts';

const reply = z.object({ text: z.string(), state: z.string().optional() }).optional();

/** An event as operators see it, or what its sender sees of it. */
const shape = z.object({
  state: z.string(),
  runs: z.array(z.looseObject({ outcome: z.string(), reply })).default([]),
  reply,
  failure: z.looseObject({ code: z.string(), remedy: z.string().optional() }).optional(),
});

/** Milliseconds between looks. */
const EVERY_MS = 100;
/** Milliseconds until a person stops waiting; a run may take 120 s. */
const TIMEOUT_MS = 130_000;
/** Milliseconds without news after which a person is told that it goes on. */
const SILENCE_MS = 10_000;

const listShape = z.object({ events: z.array(z.object({ id: z.string(), conversation: z.string() })) });

/** Waits until a conversation has an event; returns the latest one's id. @throws Exit 1 when it has none in time */
export async function awaitEvent(io: Io, gate: GateOptions, conversation: string): Promise<string> {
  const giveUpAt = Date.now() + TIMEOUT_MS;
  while (Date.now() < giveUpAt) {
    const { events } = listShape.parse(await callApi(io, gate, 'GET', '/events?limit=200'));
    const found = events.find((event) => event.conversation === conversation);
    if (found !== undefined) return found.id;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Exit(EXIT.failed, `what the delivery spoke of was not read within ${TIMEOUT_MS / 1000} s`);
}

const ended: ReadonlySet<string> = new Set(['parked', 'ignored', 'conflict', 'expired', 'review']);

/**
 * Waits for an event's end and returns what to print; attempts that fail are told on standard error as they do. `path` is
 * where it is read.
 * @throws Exit 1 when it failed or did not end in time
 */
export async function awaitReply(io: Io, gate: GateOptions, id: string, path: string): Promise<string> {
  const startedAt = Date.now();
  let told = 0;
  let toldAt = startedAt;
  const tell = (text: string): void => {
    io.complain(text);
    toldAt = Date.now();
  };
  while (Date.now() < startedAt + TIMEOUT_MS) {
    const { state, runs, failure, ...event } = shape.parse(await callApi(io, gate, 'GET', path));
    for (const [index, one] of runs.entries()) {
      if (index < told || one.outcome === 'running') continue;
      told = index + 1;
      const why = attemptFailure(one);
      if (one.outcome === 'retry') tell(`attempt ${told} failed${why === null ? '' : `: ${why}`}; it is tried again`);
    }
    const last = event.reply ?? runs.findLast((one) => one.reply !== undefined)?.reply;
    if (state === 'done') {
      if (last === undefined) return 'the run ended without a reply';
      return last.state === 'unsent' ? `${last.text}\n(not posted: the channel has no credentials here)` : last.text;
    }
    if (ended.has(state)) {
      const why = failure === undefined ? '' : `: ${failureText(failure)}`;
      const steps = nextSteps({ id, state, failure }).filter((step) => !step.startsWith('sallyport events redrive'));
      const next = [...steps, `sallyport events show ${id}`].map((step) => `\nnext: ${inLine(step)}`);
      throw new Exit(EXIT.failed, `the event is ${inLine(state)}${why}${next.join('')}`);
    }
    if (Date.now() - toldAt >= SILENCE_MS)
      tell(`${inLine(state)} for ${Math.round((Date.now() - startedAt) / 1000)} s`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Exit(
    EXIT.failed,
    `the event did not end within ${TIMEOUT_MS / 1000} s\nnext: sallyport events show ${inLine(id)}`,
  );
}
