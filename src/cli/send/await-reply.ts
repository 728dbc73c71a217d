import { z } from 'zod';
import { callApi } from '../access.ts';
import { EXIT, Exit, type Io, inLine } from '../io.ts';

const shape = z.object({
  state: z.string(),
  runs: z.array(z.object({ outcome: z.string(), reply: z.object({ text: z.string(), state: z.string() }).optional() })),
  failure: z.object({ code: z.string() }).optional(),
});

/** Milliseconds between looks. */
const EVERY_MS = 100;
/** Milliseconds until a person stops waiting; a run may take 120 s. */
const TIMEOUT_MS = 130_000;

const listShape = z.object({ events: z.array(z.object({ id: z.string(), conversation: z.string() })) });

/** Waits until a conversation has an event; returns the latest one's id. @throws Exit 1 when it has none in time */
export async function awaitEvent(io: Io, tenant: string, conversation: string): Promise<string> {
  const giveUpAt = Date.now() + TIMEOUT_MS;
  while (Date.now() < giveUpAt) {
    const { events } = listShape.parse(await callApi(io, tenant, 'GET', '/events?limit=200'));
    const found = events.find((event) => event.conversation === conversation);
    if (found !== undefined) return found.id;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Exit(EXIT.failed, `what the delivery spoke of was not read within ${TIMEOUT_MS / 1000} s`);
}

/** Waits for an event's end and returns what to print. @throws Exit 1 when it failed or did not end in time. */
export async function awaitReply(io: Io, tenant: string, eventId: string): Promise<string> {
  const giveUpAt = Date.now() + TIMEOUT_MS;
  while (Date.now() < giveUpAt) {
    const event = shape.parse(await callApi(io, tenant, 'GET', `/events/${eventId}`));
    const reply = event.runs.findLast((run) => run.reply !== undefined)?.reply;
    if (event.state === 'done') {
      if (reply === undefined) return 'the run ended without a reply';
      return reply.state === 'unsent' ? `${reply.text}\n(not posted: the channel has no credentials here)` : reply.text;
    }
    if (['parked', 'ignored', 'conflict', 'expired', 'review'].includes(event.state)) {
      throw new Exit(EXIT.failed, inLine(`the event is ${event.state} ${event.failure?.code ?? ''}`.trim()));
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Exit(EXIT.failed, `the event did not end within ${TIMEOUT_MS / 1000} s`);
}
